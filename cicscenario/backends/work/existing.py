"""Uses the accounts that people have, and looks whom the phone interface would not serve."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from cicscenario.backends.work.dialect import dialect_needs
from cicscenario.capabilities.backend import Backend
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.cost import Need
from cicscenario.capabilities.descriptor import Survey
from cicscenario.capabilities.executor import Batch, Result
from cicscenario.errors import InvalidError
from cicscenario.language import Scenario
from cicscenario.people.person import checksum
from cicscenario.services.accounts import AccountRow, AccountStatus
from cicscenario.wording import counted

_PAGE = 500  # people in one look at the account table
_NAMED = 3  # phone numbers in a message


class ExistingBackend(Backend):
    """Takes each person's account from the source of the population."""

    def __init__(self, context: RunContext) -> None:
        self._population = context.population
        self._stopping = context.stopping
        self._source = context.scenario.population.source

    def accounts(self, batch: Batch) -> Result:
        result = batch.result
        for person in batch.people:
            if self._stopping.is_set():
                break
            address = self._population.account(person.id)
            if address is None:
                result.fail(person.id, f"has no account in {self._source}")
            else:
                result.found(person.id, address, person.spelled or checksum(address))
        return result

    def known_account(self, person: int) -> bytes | None:
        return self._population.account(person)


def needs(survey: Survey) -> list[Need]:
    """The dialect, and the people whom the phone interface would not serve."""
    scenario, environment = survey.scenario, survey.services.environment
    found = dialect_needs(survey)
    if environment.accounts is None or not (scenario.pins or scenario.ussd_data):
        return found
    unknown, silent = _Counted(), _Counted()
    for first in range(0, survey.size, _PAGE):
        phones = list(_phones(survey, first, min(first + _PAGE, survey.size)))
        states = survey.services.accounts.last_states(phones)
        rows = survey.services.accounts.read([phone for phone, state in states.items() if state is None])
        unknown.add(phone for phone in phones if phone not in states)
        silent.add(phone for phone in phones if phone in rows and _is_active_afterwards(scenario, rows[phone]))
    name = survey.services.accounts.name
    if silent.number:
        words = (
            f"{silent} of {counted(survey.size, 'person')} have no row in table `ussd_session` of {name}: with a PIN and"
            " status 2, the phone interface answers each of their dials with 500"
        )
        hint = "let each of them dial once before they get PINs"
        found.append(Need("sessions", "an earlier dial of each person", words, ok=True, hint=hint, warns=True))
    if unknown.number:
        words = f"{unknown} of {counted(survey.size, 'person')} have no row in table `account` of {name}"
        found.append(Need("phone accounts", "a row for each person", words, ok=True, warns=True))
    return found


def _phones(survey: Survey, first: int, stop: int) -> Iterator[str]:
    """The phone numbers of people; an invalid record is that person's failure in the run, and left out here."""
    for index in range(first, stop):
        with suppress(InvalidError):
            yield survey.population.person(index).phone


def _is_active_afterwards(scenario: Scenario, row: AccountRow) -> bool:
    """Whether the row has a PIN and is active once the scenario has been run."""
    is_active = scenario.ussd_data or row.status == AccountStatus.ACTIVE
    return is_active and (scenario.pins is not None or row.password_hash is not None)


class _Counted:
    """A number of people, and some of their phone numbers."""

    def __init__(self) -> None:
        self.number = 0
        self._first: list[str] = []

    def add(self, phones: Iterable[str]) -> None:
        for phone in phones:
            self.number += 1
            if len(self._first) < _NAMED:
                self._first.append(phone)

    def __str__(self) -> str:
        more = ", ..." if self.number > len(self._first) else ""
        return f"{self.number:,} ({', '.join(self._first)}{more})"
