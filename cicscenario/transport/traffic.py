"""What a command asks of each service: how many requests, how long they take, which fail, and which are repeated and why.

Memory is the same for any number of requests: latencies are counted in buckets whose bounds grow by a constant ratio.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from math import ceil, log
from typing import Any

from cicscenario.retry import Attempts
from cicscenario.transport.limits import Limit

_RATIO = 2 ** (1 / 16)  # of the bounds of a bucket: a percentile is at most 4.4 % too large
_SHORTEST = 1e-6  # seconds; what is shorter counts as this
_SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
SHARES = tuple(_SHARES)  #: the percentiles that ``Latencies.document`` gives


class Latencies:
    """Durations in seconds. Two of them can be added to one another, and give what all durations together would have given."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.sum = 0.0
        self.longest = 0.0

    def add(self, seconds: float) -> None:
        """Adds one duration."""
        self._buckets[ceil(log(max(seconds, _SHORTEST), _RATIO))] += 1
        self.count += 1
        self.sum += seconds
        self.longest = max(self.longest, seconds)

    def include(self, other: "Latencies") -> None:
        """Adds all durations of another."""
        self._buckets.update(other._buckets)
        self.count += other.count
        self.sum += other.sum
        self.longest = max(self.longest, other.longest)

    def percentile(self, share: float) -> float:
        """The duration within which ``share`` (0 to 1) of the requests ended, at most 4.4 % too large; 0 without requests."""
        counted = 0
        for bucket in sorted(self._buckets):
            counted += self._buckets[bucket]
            if counted >= share * self.count:
                return float(min(_RATIO**bucket, self.longest))
        return self.longest

    @property
    def size(self) -> int:
        """Number of buckets in use."""
        return len(self._buckets)

    def document(self) -> dict[str, float]:
        """Percentiles, the longest and the sum, in seconds."""
        found = {name: self.percentile(share) for name, share in _SHARES.items()}
        return {name: round(value, 6) for name, value in [*found.items(), ("max", self.longest), ("sum", self.sum)]}


class Ending(Enum):
    """How a request ended."""

    ANSWERED = "answered"
    REFUSED = "refused"  #: by an answer that says that the server could not, or would not now
    UNANSWERED = "unanswered"  #: no whole answer came


@dataclass(frozen=True)
class Repeat:
    """A request that is sent again; ``why`` is what became of it before."""

    service: str
    why: str


class Meter:
    """Counts the requests to one service. Thread-safe. ``on_repeat`` is called for each one that is sent again.

    ``limit`` says when each may be sent; None: at any time. ``retries`` is how often one that got no answer, or was refused for
    now, is sent again; None: as its client does it by itself.
    """

    def __init__(self, service: str = "", on_repeat: Callable[[Repeat], None] = lambda repeat: None) -> None:
        self._service = service
        self._on_repeat = on_repeat
        self._mutex = threading.Lock()
        self._latencies = Latencies()
        self._endings: Counter[Ending] = Counter()
        self._repeated = 0
        self.limit: Limit | None = None
        self.retries: int | None = None
        self.last = ""  #: why a request was repeated the last time
        self.last_at = 0.0  #: when that was, by ``time.monotonic``

    def ended(self, seconds: float, ending: Ending) -> None:
        """A request has ended after so many seconds, connecting included."""
        with self._mutex:
            self._latencies.add(seconds)
            self._endings[ending] += 1

    def repeats(self, why: str) -> None:
        """A request is sent again."""
        with self._mutex:
            self._repeated += 1
            self.last, self.last_at = why, time.monotonic()
        self._on_repeat(Repeat(self._service, why))

    def attempts(
        self, stopping: threading.Event | None, pauses: Sequence[float], *, always_once: bool = False
    ) -> Attempts:
        """The attempts at one request: as many as ``pauses``, or as ``retries`` allow. See Attempts."""
        return Attempts(stopping, pauses, always_once=always_once, repeats=self.repeats, retries=self.retries)

    def document(self) -> dict[str, Any]:
        """The figures so far; ``traffic`` in ``schemas/report-v1.json`` defines their shape."""
        waited = round(self.limit.waited, 3) if self.limit else 0.0
        with self._mutex:
            found = {
                "requests": self._latencies.count,
                "repeated": self._repeated,
                "refused": self._endings[Ending.REFUSED],
                "unanswered": self._endings[Ending.UNANSWERED],
                "seconds": self._latencies.document(),
            }
        return found | ({"waited": waited} if waited else {})


class Traffic:
    """The meters of a command, one for each service. ``on_repeat`` is called for each request that is sent again."""

    def __init__(self, on_repeat: Callable[[Repeat], None] = lambda repeat: None) -> None:
        self._on_repeat = on_repeat
        self._mutex = threading.Lock()
        self._meters: dict[str, Meter] = {}

    def of(self, service: str) -> Meter:
        """The meter of a service; made when it is first asked for."""
        with self._mutex:
            return self._meters.setdefault(service, Meter(service, self._on_repeat))

    def document(self) -> dict[str, Any]:
        """The figures by service, for services that were sent a request."""
        with self._mutex:
            meters = dict(self._meters)
        found = {service: meter.document() for service, meter in meters.items()}
        return {service: figures for service, figures in found.items() if figures["requests"]}
