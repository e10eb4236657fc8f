"""Does the phone interface show everybody the screen that their account's state calls for?

The states follow from what the scenario did: an account with a PIN that is active is shown the start menu, one without
is asked for a PIN. A dial leaves a trace (a session that the next dial resumes, until the account table is given something
new), so nobody is dialled whose PIN the scenario has yet to write. Source: cic-ussd 0.3.1a7, and its version of August 2021.
"""

import time
from collections.abc import Sequence

from cicscenario.checks.base import Check, CheckContext, Verifier
from cicscenario.connections import Service
from cicscenario.language import Scenario
from cicscenario.services.circuit import CircuitBreaker
from cicscenario.services.ussd import SILENT, UssdClient, UssdError
from cicscenario.services.ussd_screens import Screen, State
from cicscenario.state.store import PersonRow

_PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0)  # seconds before each attempt: tokens' state arrives behind the faucet's payout


def expected_state(scenario: Scenario) -> State:
    """What a dial should show for the people of this scenario."""
    if scenario.pins and scenario.ussd_data:
        return State.START
    return State.PIN_ENTRY


def _verifier(context: CheckContext) -> Verifier:
    wanted = expected_state(context.scenario)
    calls = _Calls(context.services.ussd)

    def verify(people: Sequence[PersonRow]) -> dict[int, str]:
        problems: dict[int, str] = {}
        ready = _ready(context, people)
        for person in people:
            if person.id not in ready:
                problems[person.id] = "was not dialled: the PIN has not been written yet"
                continue
            screen = calls.dial(person.phone)
            if not isinstance(screen, Screen):
                problems[person.id] = screen
            elif screen.state is not wanted:
                problems[person.id] = f"is shown {screen.state} ({screen}), expected {wanted}"
        return problems

    return verify


def _ready(context: CheckContext, people: Sequence[PersonRow]) -> set[int]:
    if not people or not context.scenario.pins:
        return {person.id for person in people}
    return set(context.done("pins", people[0].id, people[-1].id + 1))


class _Calls:
    """Calls to the interface, which is given up when it answers nobody any more. Threads share one."""

    def __init__(self, ussd: UssdClient) -> None:
        self._ussd = ussd
        self._circuit = CircuitBreaker(SILENT)

    def dial(self, phone: str) -> Screen | str:
        """What a person is shown, or why that is not known."""
        if error := self._circuit.open:
            return f"was not dialled: {error.message}"
        end = self._attempts(phone)
        if isinstance(end, Screen) or end.answered:
            self._circuit.succeeded()
        else:
            self._circuit.failed(end)
        return end if isinstance(end, Screen) else end.message

    def _attempts(self, phone: str) -> Screen | UssdError:
        error: UssdError | None = None
        for pause in _PAUSES:
            time.sleep(pause)
            try:
                return self._ussd.dial(phone)
            except UssdError as failure:
                error = failure
        assert error
        return error


def _applies(scenario: Scenario) -> bool:
    """Of accounts that were there before, the state is known only when the scenario sets all of it."""
    kind = scenario.backend.kind
    return kind == "cic_ussd" or (kind == "existing" and scenario.pins is not None and scenario.ussd_data)


CHECK = Check(
    "ussd",
    "the phone interface shows the screen that it should",
    _applies,
    _verifier,
    (Service.USSD,),
)
