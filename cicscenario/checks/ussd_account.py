"""Is everybody in the phone interface's account table as they should be: with their PIN, their status and language?"""

from collections.abc import Callable, Sequence

from cicscenario.checks.base import Check, CheckContext, Verifier
from cicscenario.connections import Service
from cicscenario.people.pins import Pins, scheme_of, verify
from cicscenario.services.accounts import AccountRow, AccountStatus
from cicscenario.state.store import PersonRow

_SAMPLE = 20  # one of so many PINs is tried out: that is as slow as hashing it

#: What is wrong with someone's row of the table, or None.
Look = Callable[[PersonRow, AccountRow], str | None]


def _each_row(context: CheckContext, look: Look) -> Verifier:
    def run(people: Sequence[PersonRow]) -> dict[int, str]:
        rows = context.services.accounts.read(person.phone for person in people)
        problems: dict[int, str] = {}
        for person in people:
            row = rows.get(person.phone)
            problem = look(person, row) if row else f"the account table has no phone number {person.phone}"
            if problem:
                problems[person.id] = problem
        return problems

    return run


def _pins(context: CheckContext) -> Verifier:
    wanted = context.scenario.pins
    assert wanted is not None  # the check applies only then
    pins = Pins(context.scenario.population.seed, wanted.fixed or ())
    pepper = context.services.pepper

    def look(person: PersonRow, row: AccountRow) -> str | None:
        if row.password_hash is None:
            return "has no PIN"
        if scheme_of(row.password_hash) != wanted.scheme:
            return f"the PIN's hash is not of the scheme {wanted.scheme}"
        if person.id % _SAMPLE == 0 and not verify(row.password_hash, pins.pin(person.id), pepper):
            return "the PIN's hash is of another PIN"
        return None

    return _each_row(context, look)


def _ussd_data(context: CheckContext) -> Verifier:
    def look(person: PersonRow, row: AccountRow) -> str | None:
        if row.status != AccountStatus.ACTIVE:
            return f"the account's status is {row.status}, expected {int(AccountStatus.ACTIVE)} (active)"
        if row.preferred_language != person.language:
            return f"the account's language is {row.preferred_language!r}, expected {person.language!r}"
        return None

    return _each_row(context, look)


PINS = Check(
    "pins",
    "the account table has a hash of the person's PIN",
    lambda scenario: scenario.pins is not None,
    _pins,
    (Service.ACCOUNTS,),
    lambda context: f"one PIN in {_SAMPLE} was tried out; of the others, the hash's form was looked at",
)
USSD_DATA = Check(
    "ussd_data",
    "the account table has the person's status and language",
    lambda scenario: scenario.ussd_data,
    _ussd_data,
    (Service.ACCOUNTS,),
)
