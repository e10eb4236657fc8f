"""A Celery transport over Redis with which a killed worker loses no task.

Celery's own transport pops a message and stores it elsewhere afterwards, and it prefetches one message while a task runs: a
killed worker loses that message. Here one Redis command moves a message to a list of the worker, where it stays until it
is acknowledged. That also saves three commands for each task.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis, virtual
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads
from redis import Redis

SCHEME = "cicsandbox"
TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"


def broker_url(url: str) -> str:
    """Turns a ``redis://`` URL into one for which Celery uses this transport."""
    return url.replace("redis://", f"{SCHEME}://", 1)


def put_back(url: str, taken: str, queue: str) -> int:
    """Moves the messages of list ``taken`` back into ``queue``, where they are taken next; gives their number."""
    client = Redis.from_url(url)
    count = _put_back(client, taken, queue)
    client.close()
    return count


def _put_back(client: Any, taken: str, queue: str) -> int:
    count = 0
    while client.lmove(taken, queue, "LEFT", "RIGHT") is not None:
        count += 1
    return count


class QoS(virtual.QoS):
    """Messages that were delivered and not acknowledged. They stay in Redis, however this process ends."""

    restore_at_shutdown = False

    def ack(self, delivery_tag: str) -> None:
        self.channel.done(delivery_tag)
        super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        self.channel.done(delivery_tag)
        super().reject(delivery_tag, requeue=requeue)

    def restore_visible(self, *_: Any, **__: Any) -> None:
        """Does nothing: the next worker process puts the messages back, not a timeout."""


class Channel(redis.Channel):
    """Takes messages from one queue. ``taken_key`` is the Redis list of messages that were taken."""

    QoS = QoS  # type: ignore[assignment]
    taken_key = "taken"
    from_transport_options = (*redis.Channel.from_transport_options, "taken_key")  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._texts: dict[str, bytes] = {}  # taken messages, by delivery tag
        self._has_put_back = False

    @cached_property
    def _cached_client(self) -> Any:
        return self._create_client()

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """One client for all commands, because creating a client takes as long as a command."""
        yield client or self._cached_client

    def _brpop_start(self, timeout: float | None = None) -> None:
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not queues:
            return
        if not self._has_put_back:
            self._put_back_taken(queues[0])
        self._in_poll = self.client.connection
        patience = self.brpop_timeout if timeout is None else timeout
        self.client.connection.send_command("BLMOVE", queues[0], self.taken_key, "RIGHT", "LEFT", patience or 0)

    def _put_back_taken(self, queue: str) -> None:
        """Puts messages back that an earlier connection took and did not acknowledge, because Redis did not answer.

        None of their tasks is running: tasks run one at a time, between polls. A task that was finished runs again, and
        every task may run twice.
        """
        with self.conn_or_acquire() as client:
            _put_back(client, self.taken_key, queue)
        self._has_put_back = True

    def _brpop_read(self, **options: Any) -> bool:
        try:
            text = self.client.parse_response(self.client.connection, "BLMOVE", **options)
        except self.connection_errors:
            self.client.connection.disconnect()
            raise
        finally:
            self._in_poll = None  # type: ignore[assignment]
        if text is None:
            raise Empty
        message = loads(bytes_to_str(text))
        self._texts[message["properties"]["delivery_tag"]] = text
        self.connection._deliver(message, next(iter(self.active_queues)))
        return True

    def done(self, delivery_tag: str) -> None:
        """Deletes a message that was taken."""
        text = self._texts.pop(delivery_tag, None)
        if text is not None:
            with self.conn_or_acquire() as client:
                client.lrem(self.taken_key, 1, text)


class Transport(redis.Transport):
    Channel = Channel
