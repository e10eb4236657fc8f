"""Finds people in the state, and everything that it has about one of them."""

from typing import Any

from cicscenario.state.rows import LedgerRow, Outcome
from cicscenario.state.tables import Tables


class PersonTable(Tables):
    """The part of the state that is asked about single people. Each method reads one table, some of them whole."""

    def owners(self, *, phone: str) -> list[int]:
        """The people with this phone number, in E.164."""
        return self._ids("SELECT id FROM people WHERE phone = ?", phone)

    def owners_of_account(self, address: bytes) -> list[int]:
        """The people with this account, on this chain or before; and those for whom it was made, though they use another."""
        sql = (
            "SELECT id FROM people WHERE address = ?1 UNION SELECT id FROM people WHERE old_address = ?1"
            " UNION SELECT person FROM requests WHERE address = ?1"
        )
        return self._ids(sql, address)

    def owners_of_transaction(self, digest: bytes) -> list[int]:
        """The people for whom the run has sent the transaction with this hash."""
        return self._ids("SELECT person FROM ledger WHERE hash = ?", digest)

    def owners_of_request(self, request: str) -> list[int]:
        """The people for whom the request with this id was made."""
        return self._ids("SELECT person FROM requests WHERE id = ?", request)

    def outcomes_of(self, person: int) -> dict[str, Outcome]:
        """By step: what it came to for a person."""
        steps = [step for (step,) in self._rows("SELECT DISTINCT step FROM outcomes")]
        marks = ",".join("?" * len(steps))
        rows = self._whole("outcomes", f"WHERE step IN ({marks}) AND person = ?", (*steps, person))
        return {step: Outcome(who, bool(ok), detail, at=at) for step, who, ok, detail, at in rows}

    def transactions_of(self, person: int) -> list[LedgerRow]:
        """A person's transactions, in the order in which they were signed."""
        return [LedgerRow(*row[1:]) for row in self._whole("ledger", "WHERE person = ? ORDER BY id", (person,))]

    def _ids(self, sql: str, value: Any) -> list[int]:
        return [row[0] for row in self._rows(sql, (value,))]
