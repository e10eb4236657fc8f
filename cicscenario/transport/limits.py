"""How many requests one service is sent: as many at a time and in a second as its owner allows, or as it bears.

Nobody need say a number. Without one, the number of requests at a time is found as TCP finds its window: after a request
that was refused, got no answer, or took most of its time, half as many are sent at a time; each one that is answered allows
a little more again (additive increase, multiplicative decrease; Chiu and Jain, 1989).
"""

import math
import threading
import time
from collections.abc import Callable

from cicscenario.retry import pause

_SLOW = 0.5  # a request that took this share of its time-out counts as trouble
_LOOK = 0.2  # seconds between looks at whether the run was stopped, while a request waits for others to end


class Limit:
    """The limit of one service, for all its clients. Thread-safe.

    ``rate`` is in requests a second, and ``burst`` is how many may be sent at once after a quiet time; None: a second's.
    ``concurrency`` is how many may be under way; None: as many as the service bears. ``clock`` gives seconds.
    """

    def __init__(
        self,
        rate: float | None = None,
        burst: int | None = None,
        concurrency: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate = rate
        self.burst = max(1.0, rate or 0.0) if burst is None else float(burst)
        self.concurrency = concurrency
        self.waited = 0.0  #: seconds that requests have waited, all together
        self._clock = clock
        self._turn = threading.Condition()
        self._tokens, self._filled = self.burst, clock()
        self._under_way = self._most = 0
        self._allowed = math.inf if concurrency is None else float(concurrency)
        self._lessened = -math.inf  # when fewer were allowed the last time

    @property
    def allowed(self) -> float:
        """How many requests may be under way now; infinite when there was no trouble."""
        return self._allowed

    def enter(self, stopping: threading.Event | None) -> float:
        """Waits until one more request may be sent; gives the time at which it is.

        Raises InterruptedRunError as soon as ``stopping`` is set.
        """
        with self._turn:
            if self._is_full:
                began = self._clock()
                while self._is_full:
                    self._turn.wait(_LOOK)
                    if stopping is not None and stopping.is_set():
                        pause(0, stopping)
                self.waited += self._clock() - began
            self._under_way += 1
            self._most = max(self._most, self._under_way)
            seconds = self._take_token()
            self.waited += seconds
        if seconds > 0:
            try:
                pause(seconds, stopping)
            except BaseException:
                with self._turn:
                    self._one_less()
                raise
        return self._clock()

    def leave(self, entered: float, within: float, *, trouble: bool) -> None:
        """A request that was sent at ``entered`` has ended; it had ``within`` seconds. ``trouble``: it was not answered well."""
        now = self._clock()
        with self._turn:
            self._one_less()
            if self.concurrency is not None:
                return
            if trouble or now - entered > _SLOW * within:
                if entered > self._lessened:  # those sent before have met the same trouble
                    self._allowed = max(1.0, min(self._allowed, self._under_way + 1) / 2)
                    self._lessened = now
            elif self._allowed != math.inf:
                self._allowed += 1 / self._allowed
                if self._allowed > self._most:
                    self._allowed = math.inf

    @property
    def _is_full(self) -> bool:
        return self._under_way + 1 > max(1.0, self._allowed)

    def _one_less(self) -> None:
        self._under_way -= 1
        self._turn.notify()

    def _take_token(self) -> float:
        """Seconds until the token that is taken is there."""
        if self.rate is None:
            return 0.0
        now = self._clock()
        self._tokens = min(self.burst, self._tokens + (now - self._filled) * self.rate) - 1
        self._filled = now
        return max(0.0, -self._tokens / self.rate)
