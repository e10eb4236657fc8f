"""Signs of life of workers: who they are, what they work on, and how much they do."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from cicscenario.boundaries import Boundary
from cicscenario.printable import foreign
from cicscenario.services.custodial.broker import Broker, of_type
from cicscenario.workers import names
from cicscenario.workers.envelope import VERSION, Direction, Envelope, SealError

EVERY = 2.0  #: seconds between two signs of life
ALIVE = 8.0  #: seconds after which a worker without one counts as gone
_FORGOTTEN = 3600.0  # seconds after which it is removed
_WINDOW = 60.0  # seconds that rates are about
_BEAT = Boundary("workers.beat")


@dataclass(frozen=True)
class SeenWorker:
    """One worker as its last sign of life has it. ``rates`` are items a second in the last minute, by kind."""

    name: str
    version: str
    running: frozenset[str] = frozenset()
    done: dict[str, int] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    readable: bool = True  #: False when it was sealed with another secret
    sections: frozenset[str] = frozenset()  #: of its environment file, for work that needs them

    @property
    def usable(self) -> bool:
        """Whether it does tasks of this version."""
        return self.readable and self.version == VERSION

    def document(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "name": self.name,
            "version": self.version,
            "usable": self.usable,
            "done": self.done,
            "rates": self.rates,
        }


class Activity:
    """What a worker does. Thread-safe. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._running: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._recent: deque[tuple[float, str, int]] = deque()
        self._since = clock()

    @contextmanager
    def at(self, task: str) -> Iterator[None]:
        """In the block a task is worked on."""
        with self._mutex:
            self._running[task] += 1
        try:
            yield
        finally:
            with self._mutex:
                self._running[task] -= 1

    def finished(self, kind: str, items: int) -> None:
        """So many items more are done."""
        with self._mutex:
            self._done[kind] += items
            self._recent.append((self._clock(), kind, items))

    def document(self) -> dict[str, Any]:
        """The content of a sign of life."""
        with self._mutex:
            now = self._clock()
            while self._recent and self._recent[0][0] < now - _WINDOW:
                self._recent.popleft()
            sums: Counter[str] = Counter()
            for _, kind, items in self._recent:
                sums[kind] += items
            window = max(min(_WINDOW, now - self._since), 1.0)
            rates = {kind: round(number / window, 2) for kind, number in sums.items()}
            return {
                "running": [task for task, number in self._running.items() if number > 0],
                "done": dict(self._done),
                "rates": rates,
            }


def beat(broker: Broker, seal: Envelope, name: str, activity: Activity, sections: Collection[str] = ()) -> None:
    """Writes a sign of life, with Redis's own time, since clocks of machines differ. ``sections``: see SeenWorker."""

    def write(client: "Redis") -> None:
        now = of_type(tuple, client.time())[0]
        text = seal.seal(Direction.BEAT, name, {"at": now, "sections": sorted(sections), **activity.document()})
        with _BEAT:
            client.hset(names.BEATS, name, text)

    broker.read(write)


def seen_workers(broker: Broker, seal: Envelope) -> list[SeenWorker]:
    """The workers that are there, by name. Those that cannot be read are among them while they are new to this database.

    Forgets those that have been gone for an hour.
    """
    now, found = broker.read(
        lambda client: (of_type(tuple, client.time())[0], of_type(dict, client.hgetall(names.BEATS)))
    )
    workers = []
    for key, text in sorted(found.items()):
        name = foreign(key.decode("utf-8", "replace"), 100)
        try:
            version, content = seal.open(Direction.BEAT, key.decode("utf-8", "replace"), text)
            age = now - float(content["at"])
            if age < ALIVE:
                workers.append(_seen(name, version, content))
            elif age > _FORGOTTEN:
                forget(broker, key.decode("utf-8", "replace"))
        except (SealError, KeyError, TypeError, ValueError):
            workers.append(SeenWorker(name, "", readable=False))
    return workers


def _seen(name: str, version: str, content: dict[str, Any]) -> SeenWorker:
    running, sections = frozenset(content["running"]), frozenset(content.get("sections", ()))
    return SeenWorker(name, foreign(version, 40), running, content["done"], content["rates"], sections=sections)


def forget(broker: Broker, name: str) -> None:
    """Removes a worker that is gone."""

    def remove(client: "Redis") -> None:
        with _BEAT:
            client.hdel(names.BEATS, name)

    broker.read(remove)
