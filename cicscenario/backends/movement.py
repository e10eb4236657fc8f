"""Whether anybody who waits for the same thing still moves: patience is for standing still, so it scales with the work."""

import threading
import time

_FEW = 2  # people who may be given up on in a row, each for a trouble of their own


class Movement:
    """When somebody last got what they wait for. Threads share one."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._last = time.monotonic()
        self._given_up = 0
        self._why = ""

    def began(self) -> None:
        """Somebody new waits, and is waited for as long as anybody."""
        with self._mutex:
            self._last = time.monotonic()

    def happened(self) -> None:
        with self._mutex:
            self._last = time.monotonic()
            self._given_up = 0

    def still(self) -> float:
        """Seconds since then."""
        with self._mutex:
            return time.monotonic() - self._last

    def gave_up(self, people: int, why: str) -> None:
        """So many who waited side by side are no longer waited for, and not one of them has moved."""
        with self._mutex:
            self._given_up += people
            self._why = why

    @property
    def hopeless(self) -> str | None:
        """What the last were given up for, when they are too many since anybody moved for others to be asked for, too."""
        with self._mutex:
            return self._why if self._given_up > _FEW else None
