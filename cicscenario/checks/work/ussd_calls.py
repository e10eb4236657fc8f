"""Dials for many people, for an interface that handles one request at a time and may fail or hang for some."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from threading import Event

from cicscenario.retry import PAUSES, pause
from cicscenario.services.circuit import CircuitBreaker
from cicscenario.services.ussd import SILENT, UssdClient, UssdError
from cicscenario.services.ussd_screens import IN_ACCOUNT, Screen

#: Seconds before each further round of those whose dials failed. A round in which somebody is answered starts them again.
ROUNDS = (1.0, 2.0, 4.0, 8.0)

_LEAVES = 3  # times that the session of one person is left

#: A screen, the error of the last dial, or why nobody was dialled.
End = Screen | UssdError | str


def _nobody(ends: Mapping[str, End]) -> Collection[str]:
    return ()


class Calls:
    """Dials with a circuit breaker, which opens when the interface answers nobody any more. Thread-safe.

    Threads dial one after the other: otherwise each would wait for the others' dials and take that for silence.
    """

    def __init__(self, ussd: UssdClient, stopping: Event) -> None:
        self._ussd = ussd
        self._stopping = stopping
        self._circuit = CircuitBreaker(SILENT)
        self._line = threading.Lock()

    def dial(
        self, phones: Sequence[str], to_leave: Callable[[Mapping[str, End]], Collection[str]] = _nobody
    ) -> dict[str, End]:
        """What each number is shown. Those whose dials fail are dialled again behind the others.

        ``to_leave`` tells which of the first screens or errors come from a session that a dial resumes. Those sessions are
        left, and the numbers are dialled again. All of them must be registered: see ``UssdClient.leave``.
        """
        ends, quiet = self._round(phones), 0
        for phone in to_leave(ends):
            ends[phone] = self._anew(phone, ends[phone])
        left = self._to_dial_again(ends)
        while left and quiet < len(ROUNDS) and not self._circuit.open:
            pause(ROUNDS[quiet], self._stopping)
            ends |= self._round(left)
            still = self._to_dial_again({phone: ends[phone] for phone in left})
            quiet = 0 if len(still) < len(left) else quiet + 1
            left = still
        return ends

    def _to_dial_again(self, ends: dict[str, End]) -> list[str]:
        """Those whose dials failed; where the client repeats what is not answered, only those that were answered."""
        again = not self._ussd.repeats_itself
        return [phone for phone, end in ends.items() if isinstance(end, UssdError) and (again or end.answered)]

    def are_answered(self) -> bool:
        """Whether the interface answers anybody at present, which it does to a number that cannot be."""
        try:
            self._ussd.check()
        except UssdError as error:
            return error.answered
        return True

    def _anew(self, phone: str, end: End) -> End:
        """What a number is shown after its session was left, which the server stores a moment after its last answer."""
        for seconds in PAUSES[:_LEAVES]:
            if isinstance(end, str) or not end.session or self._circuit.open:
                break
            pause(seconds, self._stopping)
            with self._line, suppress(UssdError):
                self._ussd.leave(phone, end.session)
            end = self._dial(phone)
            if isinstance(end, Screen) and end.state in IN_ACCOUNT:
                break
        return end

    def _round(self, phones: Sequence[str]) -> dict[str, End]:
        return {phone: self._dial(phone) for phone in phones}

    def _dial(self, phone: str) -> End:
        with self._line:
            if error := self._circuit.open:
                return f"was not dialled: {error.message}"
            end = self._once(phone)
            for seconds in () if self._ussd.repeats_itself else PAUSES[1:]:
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
