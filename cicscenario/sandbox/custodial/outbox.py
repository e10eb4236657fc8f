"""Sends the engine's tasks to Redis, many in one round trip.

Celery and kombu write a message in a millisecond, and send each by a round trip of its own. Here a message is written from
the same fields, and kept until the task that sends it ends; then all go out together, before the task's own result. What is
in Redis afterwards is what Celery would have written, byte for byte except for its random ids.
"""

import base64
import contextlib
import json
from datetime import datetime
from typing import Any

from celery import Celery
from celery.utils.nodenames import anon_nodename
from kombu.utils.json import dumps
from kombu.utils.uuid import uuid
from redis import Redis
from redis.exceptions import RedisError

from cicscenario.sandbox.custodial.plainrepr import plain_repr
from cicscenario.sandbox.leanredis import Command, round_trip

#: The options of ``send_task`` that a message is written from here. With any other one, Celery writes the message.
_WRITTEN = frozenset(
    {
        "task_id", "link", "link_error", "queue", "root_id", "parent_id", "group_id", "group_index", "chord", "chain",
        "ignore_result", "reply_to",
    }
)  # fmt: skip
_UNSEEN = frozenset({"producer", "result_cls", "task_type", "add_to_parent", "retry", "retry_policy"})  #: not in it
_DEFAULTS = {"serializer": "json", "retries": 0, "priority": 0, "replaced_task_nesting": 0}  #: same as when left out
_REPR = 1024  # characters of arguments in a header; source: celery.app.amqp
_DELIVERY_MODE = 2  # persistent; Redis does not look at it


def _list(links: Any) -> Any:
    """One signature, which is a dictionary, as a list."""
    return [links] if isinstance(links, dict) else links


class Outbox:
    """Messages that are not sent yet, and commands of which it is not known yet that Redis has them. Not thread-safe."""

    def __init__(self, broker: str) -> None:
        self._client = Redis.from_url(broker)
        self._messages: list[tuple[str, str]] = []
        self._posted: list[Command] = []  # sent, and not answered
        self._connection: Any = None
        self.declared: set[str] = set()  #: queues that kombu has declared on the Redis that answers now

    def add(self, queue: str, message: str) -> None:
        self._messages.append((queue, message))

    @property
    def is_sent(self) -> bool:
        """Whether there is no message that was not sent."""
        return not self._messages

    @property
    def is_settled(self) -> bool:
        """Whether Redis has all that was posted."""
        return not self._posted

    def clear(self) -> None:
        """Forgets what was added and not sent."""
        self._messages.clear()

    def close(self) -> None:
        self._drop_connection()
        self._client.close()

    def send(self, *commands: Command) -> list[Any]:
        """Sends what was added and then ``commands``; gives the answers to these. After an error all of it is still here."""
        with contextlib.suppress(RedisError):
            self.settle()
        if not self._messages and not self._posted and not commands:
            return []
        count = len(self._messages)
        before = [*self._posted, *self._pushes()]
        try:
            answers = round_trip(self._client, [*before, *commands])
        except BaseException:
            self.declared.clear()
            raise
        del self._messages[:count]
        self._posted.clear()
        return answers[len(before) :]

    def post(self, *commands: Command) -> None:
        """Sends what was added and then ``commands``, and does not wait for the answers: ``settle`` must follow.

        Raises RedisError; then ``commands`` are not sent, and all else is still here.
        """
        self.settle()
        if self._connection is None:
            self._connection = self._client.connection_pool.get_connection()
        posted = [*self._posted, *self._pushes(), *commands]
        try:
            self._connection.send_packed_command(self._connection.pack_commands(posted), check_health=False)
        except BaseException:
            self._drop_connection()
            self.declared.clear()
            raise
        self._messages.clear()
        self._posted = posted

    def settle(self) -> None:
        """Waits for the answers to what was posted. Raises RedisError; then ``send`` sends it again."""
        if not self._posted or self._connection is None:
            return
        try:
            for _ in self._posted:
                self._connection.read_response(disable_decoding=True)
        except BaseException:
            self._drop_connection()
            self.declared.clear()
            raise
        self._posted.clear()

    def _pushes(self) -> list[Command]:
        return [("LPUSH", queue, message) for queue, message in self._messages]

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.disconnect()  # unread answers would be those of the next commands
            self._client.connection_pool.release(self._connection)
            self._connection = None


class PostingApp(Celery):  # type: ignore[misc]
    """A Celery application that sends tasks through its ``outbox``.

    Inside a task, messages wait until its end. Elsewhere they are sent at once, and by Celery itself when that fails, unless
    the application is ``collecting``: then its owner calls ``outbox.send``.
    """

    def __init__(self, name: str, outbox_broker: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.outbox = Outbox(outbox_broker)
        self.collecting = False
        self.is_posting = False  #: whether results and messages of tasks are posted, and somebody sees to the answers

    def close(self) -> None:
        """Closes the connections; tasks can still be sent, by new ones."""
        self.outbox.close()
        super().close()

    def now(self) -> datetime:
        """The time in the application's time zone. Celery's own converts it twice."""
        return datetime.now(self.timezone)

    def send_task(self, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Sends a task, as Celery's own method does; see there."""
        given = {option: value for option, value in options.items() if value is not None}
        queue = given.get("queue")
        if not isinstance(queue, str) or queue not in self.outbox.declared or not self._is_plain(name, given):
            result = super().send_task(name, args, kwargs, **options)
            if isinstance(queue, str):
                self.outbox.declared.add(queue)
            return result
        parent = self.current_worker_task
        task_id = given.setdefault("task_id", uuid())
        if parent is not None:
            given.setdefault("root_id", parent.request.root_id or parent.request.id)
            given.setdefault("parent_id", parent.request.id)
        self.outbox.add(queue, self._message(name, args or (), kwargs or {}, given))
        if parent is None and not self.collecting:
            try:
                self.outbox.send()
            except RedisError:
                self.outbox.clear()  # Celery tries again, as it is told
                return super().send_task(name, args, kwargs, **{**options, "task_id": task_id})
        result = (given.get("result_cls") or self.AsyncResult)(task_id)
        result.ignored = given.get("ignore_result")
        if parent is not None and options.get("add_to_parent", True):
            parent.add_trail(result)
        return result

    def _is_plain(self, name: str, given: dict[str, Any]) -> bool:
        """Whether the message can be written here."""
        if "task_type" not in given and name in self.tasks:
            return False  # a task of this application may have options of its own
        return all(
            option in _WRITTEN or option in _UNSEEN or (option in _DEFAULTS and value == _DEFAULTS[option])
            for option, value in given.items()
        )

    def _message(self, name: str, args: Any, kwargs: Any, given: dict[str, Any]) -> str:
        """The message as kombu writes it. Source: ``AMQP.as_task_v2`` of Celery, ``Channel.basic_publish`` of kombu."""
        task_id, reply_to = given["task_id"], given.get("reply_to") or self.thread_oid
        body = (
            args,
            kwargs,
            {
                "callbacks": _list(given.get("link")),
                "errbacks": _list(given.get("link_error")),
                "chain": given.get("chain"),
                "chord": given.get("chord"),
            },
        )
        headers = {
            "lang": "py",
            "task": name,
            "id": task_id,
            "shadow": None,
            "eta": None,
            "expires": None,
            "group": given.get("group_id"),
            "group_index": given.get("group_index"),
            "retries": 0,
            "timelimit": [None, None],
            "root_id": given.get("root_id") or task_id,
            "parent_id": given.get("parent_id"),
            "argsrepr": plain_repr(args, _REPR),
            "kwargsrepr": plain_repr(kwargs, _REPR),
            "origin": anon_nodename(),
            "ignore_result": given.get("ignore_result"),
            "replaced_task_nesting": 0,
            "stamped_headers": None,
            "stamps": {},
        }
        properties = {
            "correlation_id": task_id,
            "reply_to": reply_to,
            "delivery_mode": _DELIVERY_MODE,
            "delivery_info": {"exchange": "", "routing_key": given["queue"]},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": uuid(),
        }
        return json.dumps(
            {
                "body": base64.b64encode(dumps(body).encode()).decode(),  # type: ignore[no-untyped-call]
                "content-encoding": "utf-8",
                "content-type": "application/json",
                "headers": headers,
                "properties": properties,
            }
        )
