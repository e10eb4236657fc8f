"""The check ussd_data: the phone interface's account table has the person's status and language."""

from cicscenario.capabilities.check import Check
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.capabilities.remedy import repeated
from cicscenario.checks.account_table import each_row
from cicscenario.connections import Service
from cicscenario.language import Condition
from cicscenario.people.person import Person
from cicscenario.services.accounts import AccountRow, AccountStatus


def _look(person: Person, row: AccountRow) -> str | None:
    if row.status != AccountStatus.ACTIVE:
        return f"the account's status is {row.status}, expected {int(AccountStatus.ACTIVE)} (active)"
    if row.preferred_language != person.language:
        return f"the account's language is {row.preferred_language!r}, expected {person.language!r}"
    return None


def _verifier(context: RunContext) -> Verifier:
    return each_row(context, _look)


CHECK = Check(
    "ussd_data",
    "the account table has the person's status and language",
    (Condition(lambda s: s.ussd_data, ("ussd_data",), "without `ussd_data`", "set `ussd_data: true`"),),
    _verifier,
    (Service.ACCOUNTS,),
    remedy=repeated("ussd_data", "status and language are written again"),
)
