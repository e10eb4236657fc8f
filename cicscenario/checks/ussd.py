"""The check ussd: the phone interface shows the screen that the account's state requires.

The expected screen follows from the scenario: the start menu for an active account with a PIN, otherwise the PIN entry. A
dial opens a session, and the next dial resumes it until the account's row changes. So the check does not dial for a person
whose row is not complete yet. Source: cic-ussd 0.3.1a7, and its version of August 2021.
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
from cicscenario.services.ussd import SILENT, UssdClient, UssdError, number_problem
from cicscenario.services.ussd_screens import Screen, State


def expected_state(scenario: Scenario) -> State:
    """The screen that a dial should show for the people of this scenario."""
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
            if problem := number_problem(person.phone):
                problems[person.id] = problem
                continue
            screen = calls.dial(person.phone)
            if not isinstance(screen, Screen):
                problems[person.id] = screen
            elif screen.state is not wanted:
                problems[person.id] = f"is shown {screen.state} ({screen}), expected {wanted}"
        return problems

    return verify


class _Calls:
    """Dials with a circuit breaker, which opens when the interface stops answering. Thread-safe."""

    def __init__(self, ussd: UssdClient, stopping: Event) -> None:
        self._ussd = ussd
        self._stopping = stopping
        self._circuit = CircuitBreaker(SILENT)

    def dial(self, phone: str) -> Screen | str:
        """The screen that is shown, or the reason why it is not known."""
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
        for _ in Attempts(self._stopping):  # the interface may learn of the faucet's tokens a little later
            try:
                return self._ussd.dial(phone)
            except UssdError as failure:
                error = failure
        assert error
        return error


def _known(scenario: Scenario) -> bool:
    """Whether the scenario determines the screen. For existing accounts, it must set both the PIN and the USSD data."""
    traits = scenario.backend.traits
    return traits.joins_by_phone or (traits.has_phone_accounts and scenario.pins is not None and scenario.ussd_data)


CHECK = Check(
    "ussd",
    "the phone interface shows the screen that it should",
    (
        Condition(
            _known,
            ("backend.kind", "pins", "ussd_data"),
            "when it is not known what the phone interface should show",
            "choose a backend whose people join by phone, or set both `pins` and `ussd_data`",
        ),
    ),
    _verifier,
    (Service.USSD,),
)
