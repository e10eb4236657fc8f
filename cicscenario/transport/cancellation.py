"""Exchanges that end in their time, and within a second after the run is stopped, even if the server does not answer.

Python cannot interrupt a thread that waits for a server, so another thread shuts down its socket.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from cicscenario.errors import InterruptedRunError
from cicscenario.transport.exchange import Exchange, current, is_under_way
from cicscenario.transport.traffic import Ending, Meter

_GRACE = 0.6  # seconds after the stop during which running calls may still finish
_CUT_INTERVAL = 0.15  # seconds between attempts to end the calls that are still running
_LOOK = 0.25  # seconds between looks for exchanges that are late, and whether the watching thread is still needed
_SHORTEST = 0.01
_PARENT_POLL = 0.1  # seconds between checks of the parent of a StopEvent


class StopEvent(threading.Event):
    """The stop of one part of a run: set by itself, or when ``parent``, the stop of the whole run, is set."""

    def __init__(self, parent: threading.Event | None = None) -> None:
        super().__init__()
        self._parent = parent

    def is_set(self) -> bool:
        return super().is_set() or (self._parent is not None and self._parent.is_set())

    def wait(self, timeout: float | None = None) -> bool:
        end = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = _PARENT_POLL if end is None else min(_PARENT_POLL, end - time.monotonic())
            if left <= 0:
                break
            super().wait(left)
        return self.is_set()


class Cancellation:
    """Ends the exchanges of one client: each when its time is over or its answer too large, all when ``stopping`` is set.

    Safe for use by many threads. Exchanges may still finish, and begin, for ``grace`` seconds after the stop. Then those under
    way are ended, and they and all new ones raise InterruptedRunError. ``meter`` counts the others, and its ``limit`` says when
    each may begin. ``look`` is the seconds between looks at those under way.
    """

    def __init__(
        self,
        stopping: threading.Event | None = None,
        grace: float = _GRACE,
        *,
        meter: Meter | None = None,
        look: float = _LOOK,
    ) -> None:
        self.stopping = stopping
        self.meter = meter or Meter()
        self._stop = threading.Event() if stopping is None else stopping
        self._grace = grace
        self._look = look
        self._mutex = threading.Lock()
        self._exchanges: set[Exchange] = set()
        self._watched = False
        self._cutting = False  # the run is stopped, and the grace period is over

    @contextlib.contextmanager
    def exchange(
        self,
        within: float,
        most: int,
        *,
        awaited: str = "whole answer",
        longest: float | None = None,
        measure: Callable[[], int] | None = None,
        cut: Callable[[], object] | None = None,
        counted: bool = True,
    ) -> Iterator[Exchange]:
        """The block makes one request and reads the whole answer: in ``within`` seconds, and of ``most`` bytes.

        What it does with metered sockets belongs to it. ``cut`` ends a wait that is for no such socket. For the other
        arguments see Exchange. The meter counts it, and its limit holds, unless not ``counted``, as for a wait for news. Raises
        LateError, TooLargeError, and InterruptedRunError, whatever the block makes of them.
        """
        exchange = Exchange(within, most, awaited=awaited, longest=longest, measure=measure)
        if cut:
            exchange.cut_by(cut)
        limit = self.meter.limit if counted and not is_under_way() else None
        began, ended = limit.enter(self.stopping) if limit else time.monotonic(), False
        try:
            self._begin(exchange)
            with current(exchange):
                yield exchange
            ended = True
        except Exception:  # of a socket that was shut down, and not from the server
            if self._cutting:
                raise _stopped() from None  # what a library says may have the address in it, and so a key
            if exchange.failure:
                raise exchange.failure from None
            raise
        finally:
            with self._mutex:
                self._exchanges.discard(exchange)
            ending = _ending(exchange, ended=ended)
            if limit:
                limit.leave(began, within, trouble=ending is not Ending.ANSWERED and not self._cutting)
            if counted and not self._cutting:
                self.meter.ended(time.monotonic() - began, ending)
        if exchange.failure:
            raise exchange.failure

    def _begin(self, exchange: Exchange) -> None:
        with self._mutex:
            if self._cutting:
                raise _stopped()
            self._exchanges.add(exchange)
            if not self._watched:
                self._watched = True
                threading.Thread(target=self._watch, name="cancellation", daemon=True).start()

    def _watch(self) -> None:
        """Runs only while there are exchanges, so that an idle client has no thread."""
        while not self._stop.wait(self._pause()):
            for exchange in self._running():
                exchange.look()
            if not self._still_needed():
                return
        time.sleep(self._grace)
        with self._mutex:
            self._cutting = True
        while self._still_needed():
            for exchange in self._running():
                exchange.cut()
            time.sleep(_CUT_INTERVAL)

    def _pause(self) -> float:
        ends = [exchange.until for exchange in self._running() if not exchange.failure]
        return max(_SHORTEST, min(self._look, min(ends, default=float("inf")) - time.monotonic()))

    def _running(self) -> list[Exchange]:
        with self._mutex:
            return list(self._exchanges)

    def _still_needed(self) -> bool:
        with self._mutex:
            self._watched = bool(self._exchanges)
            return self._watched


def _ending(exchange: Exchange, *, ended: bool) -> Ending:
    if exchange.refused:
        return Ending.REFUSED
    return Ending.ANSWERED if ended and not exchange.failure else Ending.UNANSWERED


def _stopped() -> InterruptedRunError:
    return InterruptedRunError("stopped while waiting for a server; everything done so far is saved")
