"""When a command began, and how long it has taken so far."""

import time
from collections.abc import Callable
from datetime import UTC, datetime


def now() -> datetime:
    """The present time, in UTC."""
    return datetime.now(UTC)


class Stopwatch:
    """Begins when it is made. ``time`` gives the time of day, ``clock`` seconds that never go back."""

    def __init__(self, time: Callable[[], datetime] = now, clock: Callable[[], float] = time.monotonic) -> None:
        self.began = time()
        self._clock = clock
        self._start = clock()

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return self._clock() - self._start
