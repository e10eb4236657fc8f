"""When payments are sent: as fast as it goes, or each at a time of its own."""

import math
import sys

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Result, Wait

_SHORTEST = 0.001  # seconds; a shorter wait might not move the clock


class PaymentPace:
    """With ``traffic.rate``, a payment is due every ``1 / rate`` seconds from the first one on; without, at any time.

    Those that were not sent when they were due are due until they are sent: the rate is the
    average since the first payment of this run. ``result`` is told that the run waits.
    """

    def __init__(self, context: RunContext, result: Result) -> None:
        self._context = context
        traffic = context.scenario.traffic
        self._rate = traffic.rate if traffic else None
        self._result = result
        self._began = -1.0
        self._sent = 0

    def due(self) -> int:
        """How many may be sent now."""
        if self._rate is None:
            return sys.maxsize
        return max(0, math.floor(self._elapsed() * self._rate) + 1 - self._sent)

    def sent(self, number: int) -> None:
        self._sent += number

    def wait(self) -> bool:
        """Waits until one is due. Whether one is: not when the run was stopped."""
        began = self._context.clock()
        while not self.due() and not self._context.stopping.is_set():
            left = self._sent / (self._rate or 1) - self._elapsed()
            what = f"the time of the next payment, at a rate of {self._rate:g}/s"
            self._result.wait = Wait(what, self._context.clock() - began)
            self._context.stopping.wait(max(_SHORTEST, min(left, 1.0)))
        self._result.wait = None
        return not self._context.stopping.is_set()

    def _elapsed(self) -> float:
        now = self._context.clock()
        if self._began < 0:
            self._began = now
        return now - self._began
