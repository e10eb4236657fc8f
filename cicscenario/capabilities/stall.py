"""A stall timer: the time since anything has moved. Waits that end after a stall scale with the size of the work.

People who get what they wait for are one movement. Another is what a backend sees of its services' work (``Movement``): a
service may be slow, or busy with others, and come to ours in the end.
"""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress

from cicscenario.errors import UnavailableError

#: Looks at a service's work: gives a value that differs from an earlier one when the service has moved since.
#: Raises UnavailableError when it cannot be seen.
Movement = Callable[[], Hashable]

_MAX_GIVEN_UP = 2  # people given up in a row without progress; more mean that the service has stopped
_LOOK_EVERY = 2.0  # seconds between two looks at the services
_LONGEST = 3600.0  # seconds without progress of a person after which a service's movements, for others, count no more


class StallTimer:
    """Measures the time without progress; also stops further work after a stall. Thread-safe. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, movements: Sequence[Movement] = ()) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._movements = movements
        self._seen: dict[int, Hashable] = {}  # the last value, by index in _movements
        self._looked = self._moved = self._last = clock()
        self._looking = False
        self._given_up = 0
        self._reason = ""

    def restart(self) -> None:
        """Restarts the timer, because a new person begins to wait."""
        with self._mutex:
            self._last = self._moved = self._clock()

    def progress(self) -> None:
        """Restarts the timer, because a person got what they waited for."""
        with self._mutex:
            self._last = self._moved = self._clock()
            self._given_up = 0

    def since_progress(self) -> float:
        """Seconds since the last progress of a person, or restart."""
        with self._mutex:
            return self._clock() - self._last

    def seconds(self) -> float:
        """Seconds since the last progress, restart, or movement of a service."""
        if self._begin_look():
            try:
                moved = self._look()
            finally:
                with self._mutex:
                    self._looking = False
            with self._mutex:
                now = self._looked = self._clock()
                if moved and now - self._last < _LONGEST:
                    self._moved = now
        with self._mutex:
            return self._clock() - self._moved

    def _begin_look(self) -> bool:
        """Whether this thread is to look at the services now."""
        with self._mutex:
            now = self._clock()
            due = min(now - self._moved, now - self._looked) >= _LOOK_EVERY
            if not self._movements or self._looking or not due:
                return False
            self._looking = True
            return True

    def _look(self) -> bool:
        """Whether any service has moved since the last look. One that cannot be seen has not."""
        moved = False
        for number, look in enumerate(self._movements):
            with suppress(UnavailableError):
                seen = look()
                moved |= number in self._seen and self._seen[number] != seen
                self._seen[number] = seen
        return moved

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
