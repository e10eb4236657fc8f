"""Dials for many people, for an interface that handles one request at a time and may fail or hang for some."""

import threading
from collections.abc import Sequence
from threading import Event

from cicscenario.retry import PAUSES, pause
from cicscenario.services.circuit import CircuitBreaker
from cicscenario.services.ussd import SILENT, UssdClient, UssdError
from cicscenario.services.ussd_screens import Screen

#: Seconds before each further round of those whose dials failed. A round in which somebody is answered starts them again.
ROUNDS = (1.0, 2.0, 4.0, 8.0)

#: A screen, the error of the last dial, or why nobody was dialled.
End = Screen | UssdError | str


class Calls:
    """Dials with a circuit breaker, which opens when the interface answers nobody any more. Thread-safe.

    Threads dial one after the other: otherwise each would wait for the others' dials and take that for silence.
    """

    def __init__(self, ussd: UssdClient, stopping: Event) -> None:
        self._ussd = ussd
        self._stopping = stopping
        self._circuit = CircuitBreaker(SILENT)
        self._line = threading.Lock()

    def dial(self, phones: Sequence[str]) -> dict[str, End]:
        """What each number is shown. Those whose dials fail are dialled again behind the others.

        Raises the interface's error when it answers nobody any more.
        """
        ends, quiet = self._round(phones), 0
        left = _failed(ends)
        while left and quiet < len(ROUNDS) and not self._circuit.open:
            pause(ROUNDS[quiet], self._stopping)
            ends |= self._round(left)
            still = _failed({phone: ends[phone] for phone in left})
            quiet = 0 if len(still) < len(left) else quiet + 1
            left = still
        if error := self._circuit.open:  # no answer says nothing about anybody
            raise error
        return ends

    def _round(self, phones: Sequence[str]) -> dict[str, End]:
        return {phone: self._dial(phone) for phone in phones}

    def _dial(self, phone: str) -> End:
        with self._line:
            if error := self._circuit.open:
                return f"was not dialled: {error.message}"
            end = self._once(phone)
            for seconds in PAUSES[1:]:
                if not self._circuit.open:
                    break
                pause(seconds, self._stopping)  # a dial that holds the interface ends by itself
                end = self._once(phone)
            return end

    def _once(self, phone: str) -> Screen | UssdError:
        try:
            end: Screen | UssdError = self._ussd.dial(phone)
        except UssdError as error:
            end = error
        if isinstance(end, Screen) or end.answered:
            self._circuit.succeeded()
        else:
            self._circuit.failed(end)
        return end


def _failed(ends: dict[str, End]) -> list[str]:
    return [phone for phone, end in ends.items() if isinstance(end, UssdError)]
