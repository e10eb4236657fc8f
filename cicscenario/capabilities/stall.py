"""A stall timer: the time since the last progress. Waits that end after a stall scale with the size of the work."""

import threading
import time
from collections.abc import Callable

_MAX_GIVEN_UP = 2  # people given up in a row without progress; more mean that the service has stopped


class StallTimer:
    """Measures the time without progress; also stops further work after a stall. Thread-safe. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._last = clock()
        self._given_up = 0
        self._reason = ""

    def restart(self) -> None:
        """Restarts the timer, because a new person begins to wait."""
        with self._mutex:
            self._last = self._clock()

    def progress(self) -> None:
        """Restarts the timer, because a person got what they waited for."""
        with self._mutex:
            self._last = self._clock()
            self._given_up = 0

    def excuse(self, seconds: float) -> None:
        """Does not count the last ``seconds``: a service did not answer, so progress could not be seen."""
        with self._mutex:
            self._last = min(self._last + seconds, self._clock())

    def seconds(self) -> float:
        """Seconds since the last progress or restart."""
        with self._mutex:
            return self._clock() - self._last

    def give_up(self, people: int, reason: str) -> None:
        """Records that a batch of ``people`` is given up: none of them got what they waited for."""
        with self._mutex:
            self._given_up += people
            self._reason = reason

    @property
    def stalled(self) -> str | None:
        """The reason of the last ``give_up`` when too many were given up in a row to start more work; else None."""
        with self._mutex:
            return self._reason if self._given_up > _MAX_GIVEN_UP else None
