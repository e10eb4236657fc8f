"""Whom the phone interface's account table has. Only the interface adds rows to it, when it makes an account.

Source: cic-ussd, ``process_account_creation_callback``; a dial from a number that has no row makes another account.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.remedy import LeftAlone
from cicscenario.services.jsonvalues import address_of

if TYPE_CHECKING:
    from cicscenario.people.person import Person

NO_ROW = LeftAlone(
    "the account table has no row with their phone number, and only cic-ussd adds rows, when it makes an account: put the row"
    " back, with its account (see `cicscenario explain troubleshooting`, at `left alone`), and repair again; to dial would make"
    " another account"
)
OTHER_ACCOUNT = LeftAlone(
    "the account table has their phone number with another account, which may be somebody else's: nothing of it is changed"
)


def unfit_rows(context: RunContext, people: Sequence["Person"]) -> dict[int, LeftAlone]:
    """Those whose row is gone, or has another account, with the reason why nothing is made again for them.

    Raises UnavailableError when the table does not answer.
    """
    rows = context.services.accounts.read(person.phone for person in people)
    unfit: dict[int, LeftAlone] = {}
    for person in people:
        row = rows.get(person.phone)
        if row is None:
            unfit[person.id] = NO_ROW
        elif address_of(row.address) != person.account:
            unfit[person.id] = OTHER_ACCOUNT
    return unfit


class PhoneAccounts:
    """The people who should be in the account table, and are not.

    When the scenario writes to that table, everybody should be there. When the table has none of the people, they are people
    without phones of the interface, such as those of the old tools, and nobody need be there.
    """

    def __init__(self, context: RunContext) -> None:
        self._accounts = context.services.accounts
        self._state = context.state
        self._needed = context.scenario.pins is not None or context.scenario.ussd_data

    def missing(self, people: Sequence["Person"], *, of_all: bool = True) -> list["Person"]:
        """Those of these people. Raises UnavailableError when the table does not answer.

        Without ``of_all`` nobody else is looked at: when the table has none of these people, they need not be there.
        """
        known = self._accounts.read(person.phone for person in people)
        missing = [person for person in people if person.phone not in known]
        return missing if missing and (self._needed or known or (of_all and self._has_any())) else []

    def _has_any(self) -> bool:
        """Whether the table has anybody of the run."""
        self._needed = any(self._accounts.read(person.phone for person in page) for page in self._state.pages())
        return self._needed
