"""The state of a run, in SQLite. Only this room writes to it."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from cicscenario.jsontext import parse_json
from cicscenario.people.person import Person
from cicscenario.state import writes
from cicscenario.state.findingtable import FindingTable
from cicscenario.state.ledgertable import LIVE, LedgerTable
from cicscenario.state.paymenttable import PaymentTable
from cicscenario.state.persontable import PersonTable
from cicscenario.state.requesttable import RequestTable
from cicscenario.state.rows import Outcome
from cicscenario.state.tables import PAGE

STATE = "state.sqlite"  #: name of the file in a run directory
_HALF = 2**32  # gifts are summed in two halves, since SQLite's integers overflow at 2**63


class Store(LedgerTable, RequestTable, PaymentTable, FindingTable, PersonTable):
    """One run's state, safe for use by many threads; every method is one transaction.

    Opening it is told at ``Tables``. The methods for transactions, requests, payments, checks and failures, and single people
    are those of ``LedgerTable``, ``RequestTable``, ``PaymentTable``, ``FindingTable`` and ``PersonTable``.
    """

    # --- identity -----------------------------------------------------------------------------------------------

    def meta(self) -> dict[str, str]:
        return dict(self._whole("meta"))

    def set_meta(self, values: dict[str, str]) -> None:
        with self._write(writes.IDENTITY) as db:
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())

    # --- people -------------------------------------------------------------------------------------------------

    def population(self) -> int:
        """Number of people in the state."""
        count: int = self._rows("SELECT count(*) FROM people")[0][0]
        return count

    def people(self, first: int, stop: int) -> list[Person]:
        """People ``first <= id < stop``, in order."""
        rows = self._whole("people", "WHERE id >= ? AND id < ? ORDER BY id", (first, stop))
        return list(map(_person, rows))

    def people_of(self, ids: Sequence[int]) -> dict[int, Person]:
        """Those of these people who are in the state, by id."""
        marks = ",".join("?" * len(ids))
        return {row[0]: _person(row) for row in self._whole("people", f"WHERE id IN ({marks})", ids)}

    def end(self) -> int:
        """One more than the highest id; there may be fewer people, since batches are not made in order."""
        end: int = self._rows("SELECT coalesce(max(id) + 1, 0) FROM people")[0][0]
        return end

    def ids(self) -> list[int]:
        """The ids of all people, in order."""
        return [row[0] for row in self._rows("SELECT id FROM people ORDER BY id")]

    def absent(self, size: int) -> Iterator[int]:
        """The ids below ``size`` that have no person yet, in order, read a page at a time."""
        for first in range(0, size, PAGE):
            stop = min(first + PAGE, size)
            there = {row[0] for row in self._rows("SELECT id FROM people WHERE id >= ? AND id < ?", (first, stop))}
            yield from (person for person in range(first, stop) if person not in there)

    def all_people(self) -> Iterator[Person]:
        """All people, in order, read a page at a time."""
        for page in self.pages():
            yield from page

    def pages(self, through: str | None = None) -> Iterator[list[Person]]:
        """All people, or those for whom the step ``through`` is done, in order, as lists of at most a page."""
        for first in range(0, self.end(), PAGE):
            people = self.people(first, first + PAGE)
            if through is not None:
                done = self.done(through, first, first + PAGE)
                people = [person for person in people if person.id in done]
            yield people

    def gifts_without(self, step: str) -> tuple[int, int]:
        """For people in the state for whom ``step`` is not done: the number of gifts, and their sum in whole tokens.

        A gift whose transaction is mined is not counted, even if its outcome has not been written.
        """
        sql = (
            f"SELECT count(*), coalesce(sum(gift / {_HALF}), 0), coalesce(sum(gift % {_HALF}), 0) FROM people"  # noqa: S608
            " WHERE gift > 0 AND NOT EXISTS (SELECT 1 FROM outcomes WHERE step = ? AND person = people.id AND ok)"
            f" AND NOT EXISTS (SELECT 1 FROM ledger WHERE purpose = ? AND person = people.id AND {LIVE} AND status = 'mined')"
        )
        number, high, low = self._rows(sql, (step, step))[0]
        return number, high * _HALF + low

    def gifts_mined(self, step: str) -> int:
        """The whole tokens of all people whose transaction of ``step`` is mined."""
        sql = (
            f"SELECT coalesce(sum(gift / {_HALF}), 0), coalesce(sum(gift % {_HALF}), 0) FROM people"  # noqa: S608
            f" WHERE id IN (SELECT person FROM ledger WHERE purpose = ? AND {LIVE} AND status = 'mined')"
        )
        high, low = self._rows(sql, (step,))[0]
        total: int = high * _HALF + low
        return total

    # --- outcomes -----------------------------------------------------------------------------------------------

    def commit(
        self,
        step: str,
        outcomes: Iterable[Outcome],
        people: Iterable[Person] = (),
        addresses: Iterable[tuple[int, bytes]] = (),
        spelled: Mapping[int, str] = MappingProxyType({}),
    ) -> list[Outcome]:
        """Writes the results of a step for a batch in one transaction, and gives the outcomes that were written.

        ``addresses`` are (person, account); ``spelled`` is how person documents write an account, by person. A person with the
        phone number or the account of another is not written: the outcome is a failure that names the other person.
        """
        people, addresses, outcomes = list(people), list(addresses), list(outcomes)
        if not (people or addresses or outcomes):
            return []
        try:
            self._commit(step, outcomes, people, addresses, spelled)
        except sqlite3.IntegrityError:
            taken = self._taken(people, addresses)
            outcomes = [
                Outcome(o.person, ok=False, detail=taken[o.person]) if o.person in taken else o for o in outcomes
            ]
            people = [person for person in people if person.id not in taken]
            addresses = [(person, account) for person, account in addresses if person not in taken]
            self._commit(step, outcomes, people, addresses, spelled)
        return outcomes

    def _commit(
        self,
        step: str,
        outcomes: list[Outcome],
        people: list[Person],
        addresses: list[tuple[int, bytes]],
        spelled: Mapping[int, str],
    ) -> None:
        made = [
            (
                p.id,
                p.document_json,
                p.phone,
                p.language,
                json.dumps(p.tags),
                p.old_address,
                p.gift,
                p.address,
                p.spelled,
            )
            for p in people
        ]
        now = self.now()
        with self._write(writes.OUTCOMES) as db:
            db.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING", made)
            db.executemany(
                "UPDATE people SET address = ?, spelled = ? WHERE id = ?",
                [(a, spelled.get(i), i) for i, a in addresses],
            )
            db.executemany(
                "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?)",
                [(step, o.person, int(o.ok), o.detail, now) for o in outcomes],
            )

    def _taken(self, people: list[Person], addresses: list[tuple[int, bytes]]) -> dict[int, str]:
        """The people of a batch whose phone number or account another person has, each with a message that says so."""
        phones: dict[str, int] = dict(self._owners("phone", [person.phone for person in people]))
        accounts: dict[bytes, int] = dict(self._owners("address", [address for _, address in addresses]))
        taken: dict[int, str] = {}
        for person in people:
            owner = phones.setdefault(person.phone, person.id)
            if owner != person.id:
                taken[person.id] = f"the phone number {person.phone} is that of person {owner}, too"
        for number, address in addresses:
            owner = accounts.setdefault(address, number)
            if owner != number:
                taken[number] = f"the account 0x{address.hex()} is that of person {owner}, too"
        return taken

    def _owners(self, column: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """(value, person) for each of the values that a person in the state has."""
        marks = ",".join("?" * len(values))
        return self._rows(f"SELECT {column}, id FROM people WHERE {column} IN ({marks})", values)  # noqa: S608

    def people_by_phone(self, phones: Sequence[str]) -> dict[str, int]:
        """The person with each of these phone numbers; a number that nobody has is left out."""
        return dict(self._owners("phone", phones)) if phones else {}

    def done(self, step: str, first: int, stop: int) -> set[int]:
        """The ids in the range for which ``step`` is done."""
        rows = self._whole("outcomes", "WHERE step = ? AND person >= ? AND person < ? AND ok", (step, first, stop))
        return {row[1] for row in rows}

    def done_in_parts(self, steps: Collection[str], first: int, stop: int, size: int) -> dict[int, int]:
        """How many outcomes of these steps are ok in each part of ``size`` people of a range, by the number of the part."""
        sql = (
            f"SELECT (person - ?) / ?, count(*) FROM outcomes WHERE step IN ({','.join('?' * len(steps))})"  # noqa: S608
            " AND person >= ? AND person < ? AND ok GROUP BY 1"
        )
        return dict(self._rows(sql, (first, size, *steps, first, stop)))

    def counts(self) -> dict[str, tuple[int, int]]:
        """Per step: number of people done and number failed."""
        failed = "SELECT step AS one, count(*) AS number FROM outcomes INDEXED BY failures WHERE ok = 0 GROUP BY step"
        rows = self._rows(
            f"WITH failed AS MATERIALIZED ({failed}) SELECT step, count(*),"  # noqa: S608
            " coalesce((SELECT number FROM failed WHERE one = step), 0) FROM outcomes GROUP BY step"
        )
        return {step: (number - failed, failed) for step, number, failed in rows}

    def failures(self, step: str, limit: int) -> list[Outcome]:
        rows = self._whole("outcomes", "WHERE step = ? AND NOT ok ORDER BY person LIMIT ?", (step, limit))
        return [Outcome(person, ok=False, detail=detail, at=at) for _, person, _, detail, at in rows]


def _person(row: tuple[Any, ...]) -> Person:
    return Person(row[0], row[1], row[2], row[3], _tags(row[4]), *row[5:])


@lru_cache  # most people have the same ones
def _tags(text: str) -> tuple[str, ...]:
    return tuple(parse_json(text))
