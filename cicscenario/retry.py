"""Trying again: pauses that grow, end at once when a run is to end, and heed what a server asks for (Retry-After)."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Event

from cicscenario.errors import InterruptedRunError

#: Seconds before each attempt at something that a service, started again meanwhile, may do.
PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0)
_LONGEST = 60.0  # seconds that a server's Retry-After is heeded at most


def pause(seconds: float, stopping: Event | None) -> None:
    """Waits; raises InterruptedRunError as soon as ``stopping`` is set."""
    if stopping is None:
        time.sleep(seconds)
    elif stopping.wait(seconds) if seconds > 0 else stopping.is_set():
        raise InterruptedRunError("stopped while waiting; everything done so far is saved")


class Attempts:
    """One attempt for each of ``pauses``, each after its pause: ``for attempt in Attempts(...)``.

    Leave the loop when an attempt succeeds; it ends by itself when there are no more. Iterating raises
    InterruptedRunError when ``stopping`` is set.
    """

    def __init__(self, stopping: Event | None = None, pauses: Sequence[float] = PAUSES) -> None:
        self._stopping = stopping
        self._pauses = pauses
        self._asked = 0.0

    def __iter__(self) -> Iterator[int]:
        for number, seconds in enumerate(self._pauses):
            pause(max(seconds, self._asked), self._stopping)
            self._asked = 0.0
            yield number

    def after(self, header: str | None) -> None:
        """The server has named a time (the value of its Retry-After): the next pause is at least that long."""
        self._asked = retry_after(header)


def retry_after(header: str | None) -> float:
    """Seconds in a Retry-After header, given as a number or as a date; 0 for none, or what is neither."""
    if header is None:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return min(max(seconds, 0.0), _LONGEST)
