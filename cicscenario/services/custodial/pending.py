"""Where Redis holds a task that has no result yet: on a queue, or among those that a worker has fetched.

A Celery worker fetches more tasks than it runs at once. kombu keeps a fetched message in the hash ``unacked``, and the
time of fetching in the sorted set ``unacked_index``, until the task begins (Celery's default: early acknowledgement). After
a worker was killed, its fetched messages stay there for the visibility timeout, and then go back on the queue. A task that
had begun is lost. Source: ``kombu.transport.redis.QoS`` and ``celery.worker.request.Request.on_accepted``.
"""

import math
import threading
import time
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from cicscenario.jsontext import parse_json
from cicscenario.services.custodial.broker import Broker, list_of, of_type, task_id

if TYPE_CHECKING:
    from redis import Redis

VISIBILITY_TIMEOUT = 3600.0  #: seconds; kombu's default
_DEFAULT = "unacked"  # kombu's hash of fetched messages
_FETCHED = "*unacked*"  # a worker may give its own another name
_INDEX = "_index"  # what kombu appends for the sorted set of the times
_PAGE = 200
_PIPELINE = 100  # commands in one round trip
_NAMES_FOR = 5.0  # seconds between two searches for such hashes, which read the names of all keys


@dataclass(frozen=True)
class TaskPlace:
    """Where the message of a task is. ``fetched``: a worker has it, and has not begun; else it is on the queue.

    ``until`` is the Unix time in seconds at which Redis puts it back on the queue if that worker is dead; None when it is
    on the queue, or that time is not known.
    """

    fetched: bool
    until: float | None = None


class PendingTasks:
    """Looks tasks up in one database of Redis. ``timeout`` is the workers' visibility timeout in seconds.

    Raises what ``Broker.read`` raises. Safe for use by many threads.
    """

    def __init__(self, broker: Broker, timeout: float = VISIBILITY_TIMEOUT) -> None:
        self._broker = broker
        self._timeout = timeout
        self._mutex = threading.Lock()
        self._names = {_DEFAULT}
        self._look_again = -math.inf

    def find(self, ids: Collection[str]) -> dict[str, TaskPlace]:
        """The places of those tasks that are on the queue or with a worker. One search for all ``ids`` together."""
        wanted = set(ids)
        if not wanted:
            return {}
        tasks = map(task_id, self._broker.messages())
        found = {task: TaskPlace(fetched=False) for task in tasks if task is not None and task in wanted}
        missing = wanted - found.keys()
        return found | self._fetched(missing) if missing else found

    def fetched(self) -> dict[str, TaskPlace]:
        """All tasks of this database, of whatever queue, that a worker has fetched and not begun, by task id."""
        return self._fetched(None)

    def activity(self, ours: int = 0) -> Hashable:
        """A value that differs from an earlier one when a worker has taken, begun or finished tasks since.

        Messages that are only added to the queue do not change it, and ``ours``, the number of tasks that were begun for the
        caller's own questions, does not count. Workers of all queues in this Redis count.
        """
        names = self._hashes()
        oldest = self._broker.oldest()
        counts = self._broker.read(lambda client: [of_type(int, client.hlen(name)) for name in names])
        begun = self._broker.read(_acknowledged)
        held = tuple((name, count) for name, count in zip(names, counts, strict=True) if count)
        return (task_id(oldest) or oldest if oldest else None, held, begun and begun - ours)

    def counts(self) -> tuple[int, int]:
        """Number of messages on the queue, and number of those that workers have fetched (of all queues)."""
        names = self._hashes()
        fetched = self._broker.read(lambda client: sum(of_type(int, client.hlen(name)) for name in names))
        return self._broker.waiting(), fetched

    def _fetched(self, wanted: set[str] | None) -> dict[str, TaskPlace]:
        found: dict[str, TaskPlace] = {}
        for name in self._hashes():
            tags = self._broker.read(lambda client, name=name: _tags(client, name, wanted))  # type: ignore[misc]
            since = self._broker.read(lambda client, name=name, tags=tags: _times(client, name, tags.values()))  # type: ignore[misc]
            for task, tag in tags.items():
                began = since.get(tag)
                found[task] = TaskPlace(fetched=True, until=None if began is None else began + self._timeout)
        return found

    def _hashes(self) -> list[str]:
        """The names of kombu's hashes, that are there or have been: Redis has none that are empty."""
        with self._mutex:
            due = time.monotonic() >= self._look_again
            if due:
                self._look_again = time.monotonic() + _NAMES_FOR
        if due:
            found = self._broker.read(fetched_hashes)
            with self._mutex:
                self._names |= set(map(_text, found))
        return sorted(self._names)


def fetched_hashes(client: "Redis") -> list[bytes]:
    """The names of kombu's hashes of fetched messages, for ``Broker.read``. Reads the names of all keys."""
    return list_of(bytes, list(client.scan_iter(match=_FETCHED, count=1000, _type="hash")))


def clock_time(when: float) -> str:
    """A Unix time in words, rounded up to the minute."""
    return datetime.fromtimestamp(math.ceil(when / 60) * 60).astimezone().strftime("%Y-%m-%d %H:%M %Z")


def _acknowledged(client: "Redis") -> int | None:
    """How many tasks workers have begun since Redis started: for each, kombu removes a member of its sorted set.

    None when Redis does not tell.
    """
    try:
        found: Any = client.info("commandstats")
        return int(found["cmdstat_zrem"]["calls"])
    except (ResponseError, KeyError, TypeError, ValueError):
        return None


def _tags(client: "Redis", name: str, wanted: set[str] | None) -> dict[str, str]:
    """Delivery tags by task id. The hash has ``[message, exchange, routing key]`` by delivery tag."""
    found = {}
    for tag, text in client.hscan_iter(name, count=_PAGE):
        task = _task_of_fetched(text)
        if task is not None and (wanted is None or task in wanted):
            found[task] = _text(tag)
    return found


def _times(client: "Redis", name: str, tags: Iterable[str]) -> Mapping[str, float]:
    """The Unix times at which messages were fetched, by delivery tag."""
    found: dict[str, float] = {}
    for part in _parts(list(tags)):
        with client.pipeline(transaction=False) as pipe:
            for tag in part:
                pipe.zscore(f"{name}{_INDEX}", tag)
            scores = pipe.execute(raise_on_error=False)
        found |= {tag: float(score) for tag, score in zip(part, scores, strict=True) if _is_number(score)}
    return found


def _parts(values: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(values), _PIPELINE):
        yield values[start : start + _PIPELINE]


def _is_number(score: Any) -> bool:
    return isinstance(score, int | float)


def _task_of_fetched(text: bytes) -> str | None:
    try:
        message: Any = parse_json(text)[0]
        return str(message["headers"]["id"])
    except (ValueError, KeyError, TypeError, IndexError):
        return None


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
