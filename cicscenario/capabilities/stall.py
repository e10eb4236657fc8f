"""A stall timer: measures how long nobody who waits for the same thing has got it, so that patience scales with the work."""

import threading
import time
from collections.abc import Callable

_FEW = 2  # people who may be given up in a row, each for a reason of their own


class StallTimer:
    """How long nothing has progressed. Threads share one. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._last = clock()
        self._given_up = 0
        self._reason = ""

    def restart(self) -> None:
        """Somebody new begins to wait: the time counts from now."""
        with self._mutex:
            self._last = self._clock()

    def progress(self) -> None:
        """Somebody got what they wait for."""
        with self._mutex:
            self._last = self._clock()
            self._given_up = 0

    def seconds(self) -> float:
        """Seconds since the last progress or restart."""
        with self._mutex:
            return self._clock() - self._last

    def give_up(self, people: int, reason: str) -> None:
        """So many people who waited side by side are no longer waited for, and none of them got it."""
        with self._mutex:
            self._given_up += people
            self._reason = reason

    @property
    def hopeless(self) -> str | None:
        """The reason of the last who were given up, once they are so many that nobody else need be asked for."""
        with self._mutex:
            return self._reason if self._given_up > _FEW else None
