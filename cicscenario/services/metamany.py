"""Many entries at a time: one that fails alone fails alone, and a server that fails for everybody is not asked for everybody."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from cicscenario.errors import CicScenarioError, InterruptedRunError, UnavailableError
from cicscenario.retry import pause
from cicscenario.services.circuit import CircuitBreaker
from cicscenario.services.metaerrors import NoReplyError, StoresNothingError, UnreadableEntryError

_LOST = 8  # failed entries in a row, after which no more are tried; a single one may fail for a reason of its own
_T = TypeVar("_T")
_R = TypeVar("_R")


def many(
    items: Sequence[_T],
    call: Callable[[_T], _R],
    *,
    threads: int,
    is_well: Callable[[], bool],
    stopping: threading.Event | None,
) -> Iterator[tuple[int, _R | CicScenarioError]]:
    """Calls ``call`` for each item, in threads. Gives (index, result or error) as soon as each has ended.

    ``is_well`` asks the server about something that never fails by itself. When the server is not well, or does not store
    anything, or when ``stopping`` is set, no further item begins. What was under way ends and is given; then the error is
    raised.
    """
    crowd = _Crowd(is_well, stopping)
    pool = ThreadPoolExecutor(threads, "meta")
    futures = {pool.submit(crowd.one, call, item): index for index, item in enumerate(items)}
    try:
        for future in as_completed(futures):
            end = future.result()
            if end is not None:
                yield futures[future], end[0]
        crowd.raise_any()
    finally:
        pool.shutdown(cancel_futures=True)


class _Crowd:
    """The items of one call of ``many``."""

    def __init__(self, is_well: Callable[[], bool], stopping: threading.Event | None) -> None:
        self._is_well = is_well
        self._stopping = stopping
        self._circuit = CircuitBreaker(_LOST)
        self._asking = threading.Lock()
        self._doubt: UnavailableError | None = None  #: the last one that may be of the server, and not of an entry
        self._fatal: CicScenarioError | None = None

    def one(self, call: Callable[[_T], _R], item: _T) -> tuple[_R | CicScenarioError] | None:
        """The result or error of one item; None when it has none, since the server or the run has ended."""
        try:
            pause(0, self._stopping)
            return None if self._fatal else (self._ended(call, item),)
        except (InterruptedRunError, StoresNothingError) as error:
            self._fatal = self._fatal or error
            return None

    def _ended(self, call: Callable[[_T], _R], item: _T) -> _R | CicScenarioError:
        try:
            end: _R | CicScenarioError = call(item)
        except (InterruptedRunError, StoresNothingError):
            raise
        except UnavailableError as error:
            self._failed(error)
            return error
        except CicScenarioError as error:
            end = error
        self._circuit.succeeded()
        return end

    def _failed(self, error: UnavailableError) -> None:
        with self._asking:
            self._circuit.failed(error)
            asked = isinstance(error, NoReplyError | UnreadableEntryError)
            if asked:
                self._doubt = error
            if not self._circuit.open or self._fatal:
                return
            if asked and self._is_well():
                self._circuit.succeeded()
                self._doubt = None
            else:
                self._fatal = error

    def raise_any(self) -> None:
        if not self._fatal and self._doubt and not self._is_well():
            self._fatal = self._doubt
        if self._fatal:
            raise self._fatal
