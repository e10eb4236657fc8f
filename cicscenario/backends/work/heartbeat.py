"""Whether the custodial engine has been at work without a pause, by questions that it answers one after the other.

A task that is nowhere is either under way or lost with a worker that was killed. While the engine is paused these look the
same. So the time that counts is that in which it answers.
"""

import threading
from collections.abc import Callable

_EVERY = 1.0  # seconds between two questions
_GAP = 10.0  # seconds without a question in which a pause could go unnoticed


class Heartbeat:
    """``unwell`` asks a question and returns None if it was answered soon. Safe for use by many threads, which share answers."""

    def __init__(self, unwell: Callable[[], str | None], clock: Callable[[], float]) -> None:
        self._unwell = unwell
        self._clock = clock
        self._mutex = threading.Lock()
        self._since: float | None = None
        self._asked: float | None = None
        self.why: str | None = None  #: why the last question was not answered, in words

    def since(self) -> float | None:
        """Since when (an instant of ``clock``) the engine has answered every question; None if it does not answer now."""
        with self._mutex:
            now = self._clock()
            if self._asked is not None and now - self._asked < _EVERY:
                return self._since
            if self._asked is None or now - self._asked > _GAP:
                self._since = None
            self.why = self._unwell()
            self._asked = self._clock()
            if self.why is not None:
                self._since = None
            elif self._since is None:
                self._since = self._asked
            return self._since
