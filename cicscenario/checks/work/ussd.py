"""Dials for people, and compares the screen that the phone interface shows with the one that it should.

The expected screen follows from the scenario: the start menu for an active account with a PIN, otherwise the PIN entry. A
dial opens a session, and the next dial resumes it until the account's row changes. So the check does not dial for a person
whose row is not complete yet. A person who has used their phone since is shown the menu where they stopped: that is no error.
A session of an active account that stopped before the PIN was there, or that the interface cannot resume, is left, and the
person is dialled again: so the result depends on the account, and not on who dialled last.

The interface handles one request at a time, and one dial may hold it for 45 seconds. A person whose dial fails goes behind the
others, and is judged when a round of those who are left has moved nobody. Source: cic-ussd 0.3.1a7 and that of August 2021.
"""

from collections.abc import Mapping, Sequence

from cicscenario.capabilities.check import NotKnown
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.checks.work.ussd_calls import Calls, End
from cicscenario.errors import UnavailableError
from cicscenario.language import Scenario
from cicscenario.people.person import Person
from cicscenario.services.accounts import AccountStatus
from cicscenario.services.ussd import UssdError
from cicscenario.services.ussd_limits import number_problem
from cicscenario.services.ussd_screens import IN_ACCOUNT, Screen, State

#: States of the newest session that do not show that the person has used an active account since. Source: cic-ussd's menu.
_BEFORE = {
    "initial_language_selection",
    "initial_middle_language_set",
    "initial_last_language_set",
    "initial_pin_entry",
}
_BEFORE |= {"initial_pin_confirmation", "account_creation_prompt", "start"}


def expected_state(scenario: Scenario) -> State:
    """The screen that a dial should show for the people of this scenario."""
    if scenario.pins and scenario.ussd_data:
        return State.START
    return State.PIN_ENTRY


def verifier(context: RunContext) -> Verifier:
    """Dials for those whose row is complete."""
    wanted = expected_state(context.scenario)
    calls = Calls(context.services.ussd, context.stopping)

    def verify(people: Sequence[Person]) -> dict[int, str]:
        ready = context.accounts_written(people[0].id, people[-1].id + 1) if people else set()
        problems = {
            person.id: "was not dialled: PIN, status and language have not all been written yet"
            for person in people
            if person.id not in ready
        }
        for person in people:
            if person.id in ready and (unfit := number_problem(person.phone)):
                problems[person.id] = unfit
        problems |= _without_row(context, [person for person in people if person.id not in problems])
        dialled = [person for person in people if person.id not in problems]
        ends = calls.dial([person.phone for person in dialled], lambda ends: _in_the_way(context, ends, wanted))
        wrong = [person for person in dialled if not _is_right(ends[person.phone], wanted)]
        seen = _Table(context, [person.phone for person in wrong])
        unknown = _unasked({person.id: ends[person.phone] for person in wrong}, calls)
        for person in wrong:
            if problem := seen.problem(person, ends[person.phone], wanted):
                problems[person.id] = NotKnown(problem) if person.id in unknown else problem
        return problems

    return verify


def _without_row(context: RunContext, people: Sequence[Person]) -> dict[int, str]:
    """The people whom the account table, where it can be asked, does not have: to dial would make them another account."""
    if not people or context.services.environment.accounts is None:
        return {}
    try:
        rows = context.services.accounts.read(person.phone for person in people)
    except UnavailableError:
        return {}  # the interface alone then says what is wrong
    return {
        person.id: f"was not dialled, because the account table has no phone number {person.phone}"
        for person in people
        if person.phone not in rows
    }


def _is_right(end: End, wanted: State) -> bool:
    return isinstance(end, Screen) and (end.state is wanted or end.state in IN_ACCOUNT)


def _in_the_way(context: RunContext, ends: Mapping[str, End], wanted: State) -> list[str]:
    """The numbers whose last session may be the reason why they are not shown the start menu."""
    if wanted is not State.START:
        return []
    suspect = [phone for phone, end in ends.items() if not _is_right(end, wanted) and _may_resume(end)]
    seen = _Table(context, suspect)
    return [phone for phone in suspect if seen.resumes(phone)]


def _unasked(ends: Mapping[int, End], calls: Calls) -> set[int]:
    """The people about whom nothing is known: they were not dialled, or nobody is answered."""
    unasked = {person for person, end in ends.items() if isinstance(end, str)}
    silent = {person for person, end in ends.items() if isinstance(end, UssdError) and not end.answered}
    return unasked | silent if silent and not calls.are_answered() else unasked


def _may_resume(end: End) -> bool:
    return end.answered if isinstance(end, UssdError) else isinstance(end, Screen) and bool(end.goes_on)


class _Table:
    """What the account database, if it can be asked, shows about numbers whose screen is not the expected one."""

    def __init__(self, context: RunContext, phones: Sequence[str]) -> None:
        self._states: dict[str, str | None] = {}
        self._active: set[str] = set()
        if not phones or context.services.environment.accounts is None:
            return
        try:
            self._states = context.services.accounts.last_states(phones)
            rows = context.services.accounts.read(phones)
        except UnavailableError:
            return  # the interface alone then says what is wrong
        self._active = {
            phone for phone, row in rows.items() if row.status == AccountStatus.ACTIVE and row.password_hash is not None
        }

    def resumes(self, phone: str) -> bool:
        """Whether the account is active and has a session."""
        return phone in self._active and self._states.get(phone) is not None

    def problem(self, person: Person, end: End, wanted: State) -> str | None:
        """What is wrong; None for a person who has used an active account since."""
        phone = person.phone
        if isinstance(end, Screen):
            if phone in self._active and end.goes_on and self._has_used(phone):
                return None
            return f"is shown {end.state} ({end}), expected {wanted}"
        if isinstance(end, str):
            return end
        if phone in self._active and self._states.get(phone, "") is None:
            return (
                f"{end.message}: there is no row of {phone} in table `ussd_session`, and cic-ussd fails for an active account"
                " without one"
            )
        if phone in self._active and self._has_used(phone):
            return f"{end.message}; the newest session of {phone} stopped at {self._states[phone]}, which it resumes"
        return end.message

    def _has_used(self, phone: str) -> bool:
        state = self._states.get(phone)
        return state is not None and state not in _BEFORE
