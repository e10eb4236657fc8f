"""Compares status and language in the phone interface's account table with the people's."""

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.checks.work.account_table import each_row
from cicscenario.people.person import Person
from cicscenario.services.accounts import AccountRow, AccountStatus


def _look(person: Person, row: AccountRow) -> str | None:
    if row.status != AccountStatus.ACTIVE:
        return f"the account's status is {row.status}, expected {int(AccountStatus.ACTIVE)} (active)"
    if row.preferred_language != person.language:
        return f"the account's language is {row.preferred_language!r}, expected {person.language!r}"
    return None


def verifier(context: RunContext) -> Verifier:
    """Looks at the row of each person."""
    return each_row(context, _look)
