"""Does the phone interface show everybody the screen that their account's state calls for?

The states follow from what the scenario did: an account with a PIN that is active is shown the start menu, one without
is asked for a PIN. A dial leaves a trace (a session that the next dial resumes, until the account table is given something
new), so nobody is dialled whose PIN the scenario has yet to write. Source: cic-ussd 0.3.1a7, and its version of August 2021.
"""

from collections.abc import Sequence
from threading import Event

from cicscenario.capabilities.check import Check
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.connections import Service
from cicscenario.language import Condition, Scenario
from cicscenario.people.person import Person
from cicscenario.retry import Attempts
from cicscenario.services.circuit import CircuitBreaker
from cicscenario.services.ussd import SILENT, UssdClient, UssdError
from cicscenario.services.ussd_screens import Screen, State


def expected_state(scenario: Scenario) -> State:
    """What a dial should show for the people of this scenario."""
    if scenario.pins and scenario.ussd_data:
        return State.START
    return State.PIN_ENTRY


def _verifier(context: RunContext) -> Verifier:
    wanted = expected_state(context.scenario)
    calls = _Calls(context.services.ussd, context.stopping)

    def verify(people: Sequence[Person]) -> dict[int, str]:
        problems: dict[int, str] = {}
        ready = context.accounts_written(people[0].id, people[-1].id + 1) if people else set()
        for person in people:
            if person.id not in ready:
                problems[person.id] = "was not dialled: PIN, status and language have not all been written yet"
                continue
            screen = calls.dial(person.phone)
            if not isinstance(screen, Screen):
                problems[person.id] = screen
            elif screen.state is not wanted:
                problems[person.id] = f"is shown {screen.state} ({screen}), expected {wanted}"
        return problems

    return verify


class _Calls:
    """Calls to the interface, which is given up when it answers nobody any more. Threads share one."""

    def __init__(self, ussd: UssdClient, stopping: Event) -> None:
        self._ussd = ussd
        self._stopping = stopping
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
        for _ in Attempts(self._stopping):  # tokens' state arrives behind the faucet's payout
            try:
                return self._ussd.dial(phone)
            except UssdError as failure:
                error = failure
        assert error
        return error


def _known(scenario: Scenario) -> bool:
    """Of accounts that were there before, the state is known only when the scenario sets all of it."""
    traits = scenario.backend.traits
    return traits.joins_by_phone or (traits.has_phone_accounts and scenario.pins is not None and scenario.ussd_data)


CHECK = Check(
    "ussd",
    "the phone interface shows the screen that it should",
    (
        Condition(
            _known,
            ("backend.kind", "pins", "ussd_data"),
            "where it is not known what the phone interface should show",
            "choose a backend by which people join by phone, or set both `pins` and `ussd_data`",
        ),
    ),
    _verifier,
    (Service.USSD,),
)
