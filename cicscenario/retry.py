"""Retries: growing pauses that respect a server's Retry-After header and end at once when the run is stopped."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import chain, islice, repeat
from math import isnan
from threading import Event

from cicscenario.errors import InterruptedRunError

#: Seconds before each attempt; together they are enough for a service that is restarting.
PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0)
_LONG_PAUSE = 5.0  # seconds between attempts, after the shorter PAUSES
_LONGEST = 60.0  # seconds; a longer Retry-After is shortened to this

Repeats = Callable[[str], None]  #: is called before a request is sent again, with the reason


def nobody(why: str) -> None:
    """The ``Repeats`` of those who need not know."""


def pause(seconds: float, stopping: Event | None) -> None:
    """Waits; raises InterruptedRunError as soon as ``stopping`` is set."""
    if stopping is None:
        time.sleep(max(seconds, 0.0))
    elif stopping.wait(seconds) if seconds > 0 else stopping.is_set():
        raise InterruptedRunError("stopped while waiting; everything done so far is saved")


class Attempts:
    """One attempt for each of ``pauses``, each after its pause: ``for attempt in Attempts(...)``.

    Leave the loop when an attempt succeeds; it ends by itself after the last attempt. Raises InterruptedRunError during a
    pause when ``stopping`` is set. With ``always_once`` the first attempt is made without a pause, even then: it belongs to
    what had begun before. ``repeats`` is called before each attempt but the first, with what ``failed`` was told.
    With ``retries`` there are so many attempts after the first, whatever the number of ``pauses``; see ``with_retries``.
    """

    def __init__(
        self,
        stopping: Event | None = None,
        pauses: Sequence[float] = PAUSES,
        *,
        always_once: bool = False,
        repeats: Repeats = nobody,
        retries: int | None = None,
    ) -> None:
        self._stopping = stopping
        self._pauses = with_retries(pauses, retries)
        self._always_once = always_once
        self._repeats = repeats
        self._asked = 0.0
        self._why = "it has not succeeded"

    def __iter__(self) -> Iterator[int]:
        for number, seconds in enumerate(self._pauses):
            if number or not self._always_once:
                pause(max(seconds, self._asked), self._stopping)
            if number:
                self._repeats(self._why)
            self._asked = 0.0
            yield number

    @property
    def number(self) -> int:
        """How many attempts there are."""
        return len(self._pauses)

    def failed(self, why: str, header: str | None = None) -> None:
        """Says why the next attempt is made. Its pause is at least as long as ``header``, a Retry-After, asks for."""
        self._why = why
        self._asked = retry_after(header)


def with_retries(pauses: Sequence[float], retries: int | None) -> Sequence[float]:
    """The seconds before the first attempt and each of ``retries`` more: ``pauses``, then long ones; None: ``pauses``."""
    return pauses if retries is None else tuple(islice(chain(pauses, repeat(_LONG_PAUSE)), retries + 1))


class Patience:
    """The growing pauses of something that is repeated until there was no progress for long enough.

    With ``retries`` it is repeated so often, however long that takes. ``clock`` gives seconds. ``pause`` raises
    InterruptedRunError when ``stopping`` is set. ``repeats`` is called after each. ``pauses`` are the seconds before the first
    repetitions; ``longest`` those before all later ones.
    """

    def __init__(
        self,
        stopping: Event | None,
        clock: Callable[[], float] = time.monotonic,
        repeats: Repeats = nobody,
        *,
        retries: int | None = None,
        pauses: Sequence[float] = PAUSES[1:],
        longest: float = _LONG_PAUSE,
    ) -> None:
        self._stopping = stopping
        self._clock = clock
        self._repeats = repeats
        self._retries = retries
        self._all_pauses = pauses
        self._longest = longest
        self.renew()

    def renew(self) -> None:
        """There was progress."""
        self._began = self._clock()
        self._pauses = iter(self._all_pauses)
        self._repeated = 0

    @property
    def is_counted(self) -> bool:
        """Whether a number of repetitions is given."""
        return self._retries is not None

    def is_over(self, seconds: float) -> bool:
        """Whether it is not repeated again: after so many ``seconds`` without progress, or the repetitions that are given."""
        return self._clock() - self._began >= seconds if self._retries is None else self._repeated >= self._retries

    def pause(self, why: str, header: str | None = None, *, short: bool = False) -> None:
        """Waits before the next attempt, at least as long as a Retry-After header asks for. ``why`` it is made.

        ``short``: the attempt is of another kind, so the pause does not grow.
        """
        seconds = PAUSES[1] if short else next(self._pauses, self._longest)
        pause(max(seconds, retry_after(header)), self._stopping)
        self._repeated += 1
        self._repeats(why)


def retry_after(header: str | None) -> float:
    """Seconds that a Retry-After header asks for, as a number or as a date; 0 without a header or with an invalid one."""
    if header is None:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return 0.0 if isnan(seconds) else min(max(seconds, 0.0), _LONGEST)
