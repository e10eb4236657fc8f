"""The phone interface's account table, in the place of the product's ``AccountsDatabase``.

Its statements are tested against a real PostgreSQL; here counts what it says, and when it does not answer.
"""

from collections.abc import Callable, Iterable
from typing import Any

from cicscenario.errors import UnavailableError
from cicscenario.services.accounts import AccountRow
from tests.soak.phone import SimPhone
from tests.soak.world import AnswerTimeoutError, ConnectionLostError, NoConnectionError, World

_TIMEOUT = 30.0  # seconds, of the product's client


class SimAccounts:
    """What the product reads of the table."""

    name = "database.example:5432/cic_ussd"

    def __init__(self, world: World, phone: SimPhone) -> None:
        self._world, self._phone = world, phone

    def _ask(self, what: str, carry_out: Callable[[], Any]) -> Any:
        try:
            return self._world.exchange(f"accounts {what}", carry_out, _TIMEOUT, once=True)
        except (NoConnectionError, ConnectionLostError, AnswerTimeoutError) as error:
            raise UnavailableError(f"database {self.name} failed: {error}") from None

    def check(self) -> None:
        self._ask("check", lambda: None)

    def count(self) -> int:
        return int(self._ask("count", lambda: len(self._phone.accounts)))

    def has_guardians(self) -> bool:
        return bool(self._ask("columns", lambda: True))

    def read(self, phones: Iterable[str]) -> dict[str, AccountRow]:
        wanted = list(phones)
        return dict(self._ask("read", lambda: {phone: row for phone in wanted if (row := self._row(phone))}))

    def last_states(self, phones: Iterable[str]) -> dict[str, str | None]:
        known = [phone for phone in phones if phone in self._phone.accounts]
        return dict(self._ask("states", lambda: dict.fromkeys(known, "initial_pin_entry")))

    def _row(self, phone: str) -> AccountRow | None:
        if phone not in self._phone.accounts:
            return None
        address, language, since = self._phone.accounts[phone]
        return AccountRow(address.hex(), 1, None, language, 0, self._world.now - since)
