"""Takes tasks from Redis so that a killed worker loses none.

Celery's own transport pops a message and writes it down afterwards, and it always has one ahead of the task that it runs: a
worker that is killed loses that one. Here taking a message moves it, in one command of Redis's, to a list of the worker's
own, where it stays until it is acknowledged; that also spares three commands a task.
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
    """The ``redis://`` address of a broker as Celery finds this transport by."""
    return url.replace("redis://", f"{SCHEME}://", 1)


def put_back(url: str, taken: str, queue: str) -> int:
    """Returns what is in the list ``taken`` to the end of ``queue`` that is taken from, oldest first; says how much."""
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
    """What was delivered and is not acknowledged; it stays in Redis when this process ends, however it does."""

    restore_at_shutdown = False

    def ack(self, delivery_tag: str) -> None:
        self.channel.done(delivery_tag)
        super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        self.channel.done(delivery_tag)
        super().reject(delivery_tag, requeue=requeue)

    def restore_visible(self, *_: Any, **__: Any) -> None:
        """Nothing becomes visible again by itself: the next worker puts it back."""


class Channel(redis.Channel):
    """Takes from one queue. ``taken_key`` names the list of what was taken."""

    QoS = QoS  # type: ignore[assignment]
    taken_key = "taken"
    from_transport_options = (*redis.Channel.from_transport_options, "taken_key")  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._texts: dict[str, bytes] = {}  # of messages taken, by delivery tag
        self._has_looked = False

    @cached_property
    def _kept(self) -> Any:
        return self._create_client()

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """One client for all commands: making one takes as long as using it."""
        yield client or self._kept

    def _brpop_start(self, timeout: float | None = None) -> None:
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not queues:
            return
        if not self._has_looked:
            self._take_up_again(queues[0])
        self._in_poll = self.client.connection
        patience = self.brpop_timeout if timeout is None else timeout
        self.client.connection.send_command("BLMOVE", queues[0], self.taken_key, "RIGHT", "LEFT", patience or 0)

    def _take_up_again(self, queue: str) -> None:
        """Puts back what an earlier connection took: what it was never told of, and what failed for want of Redis.

        Nothing of that is under way: tasks run one at a time, between polls. One that was through is run again, which
        makes nothing twice.
        """
        with self.conn_or_acquire() as client:
            _put_back(client, self.taken_key, queue)
        self._has_looked = True

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
        """Forgets a message that was taken."""
        text = self._texts.pop(delivery_tag, None)
        if text is not None:
            with self.conn_or_acquire() as client:
                client.lrem(self.taken_key, 1, text)


class Transport(redis.Transport):
    Channel = Channel
