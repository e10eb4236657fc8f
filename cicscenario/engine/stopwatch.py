"""When a command about a run began, and how long it has taken so far. All that tells of it reads the same report."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime


def now() -> datetime:
    """The present time, in UTC."""
    return datetime.now(UTC)


class Stopwatch:
    """Begins when it is made. ``time`` gives the time of day, ``clock`` seconds that never go back.

    ``services`` is the part of the time in which the services were opened: those of a sandbox may have to be started.
    """

    def __init__(self, time: Callable[[], datetime] = now, clock: Callable[[], float] = time.monotonic) -> None:
        self.began = time()
        self.services = 0.0
        self._clock = clock
        self._start = clock()

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return self._clock() - self._start

    @contextmanager
    def opening_services(self) -> Iterator[None]:
        """The services are opened in the block."""
        began = self._clock()
        try:
            yield
        finally:
            self.services += self._clock() - began
