"""The state of a run, in SQLite. Only this module writes to it."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cicscenario.boundaries import Boundary
from cicscenario.errors import StateRefusedError
from cicscenario.people.person import Person
from cicscenario.state import writes
from cicscenario.state.database import create, damaged, sqlite_errors
from cicscenario.state.migrations import SCHEMA_VERSION, migrate, version_of
from cicscenario.state.rows import CheckRow, LedgerRow, Orphans, Outcome, RequestRow

STATE = "state.sqlite"  #: name of the file in a run directory
_PAGE = 1000
_HALF = 2**32  # gifts are summed in two halves, since SQLite's integers overflow at 2**63


class Store:
    """One run's state, safe for use by many threads; every method is one transaction.

    Opening a file that is not a complete state raises StateRefusedError; with ``set_aside`` the file is renamed first, which
    needs the run directory's lock. A full disk, or a file locked by another program, raises UnavailableError.
    """

    def __init__(self, path: Path, *, set_aside: bool = False) -> None:
        self.path = path
        self._mutex = threading.RLock()
        with sqlite_errors(path):
            if not path.exists():
                create(path)
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            try:
                self._check()
            except sqlite3.OperationalError:  # such as a full disk: the file need not be damaged
                self._db.close()
                raise
            except sqlite3.DatabaseError as error:
                self._db.close()
                raise damaged(path, error, set_aside=set_aside) from None

    def _check(self) -> None:
        version = version_of(self._db)
        if version == 0:
            raise sqlite3.DatabaseError("it is not a state")
        if version > SCHEMA_VERSION:
            self._db.close()
            raise StateRefusedError(
                f"{self.path} has state format {version}; this cicscenario reads up to {SCHEMA_VERSION}",
                hint="resume with the version that began this run; a new run creates and pays everybody again",
            )
        found = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        migrate(self._db)

    def close(self) -> None:
        with self._mutex:
            self._db.close()

    @contextmanager
    def _write(self, boundary: Boundary, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction. It survives a killed process; with ``durable`` it also survives a power cut, and so do all earlier
        ones. So a power cut only loses work that can safely be done again.
        """
        with boundary, self._mutex, sqlite_errors(self.path):
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # on a full disk SQLite has rolled back already
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _unique(self) -> Iterator[None]:
        """Explains a violated UNIQUE constraint: only another program can have written such a row."""
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise StateRefusedError(
                f"{self.path} already has a row that conflicts with a new one ({error}); nothing was written or sent",
                hint="another program has written into this state: end it, and run the same command again",
            ) from None

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._mutex, sqlite_errors(self.path):
            return self._db.execute(sql, parameters).fetchall()

    # --- identity -----------------------------------------------------------------------------------------------

    def meta(self) -> dict[str, str]:
        return dict(self._rows("SELECT key, value FROM meta"))

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
        rows = self._rows("SELECT * FROM people WHERE id >= ? AND id < ? ORDER BY id", (first, stop))
        return [Person(r[0], r[1], r[2], r[3], tuple(json.loads(r[4])), *r[5:]) for r in rows]

    def end(self) -> int:
        """One more than the highest id; there may be fewer people, since batches are not made in order."""
        end: int = self._rows("SELECT coalesce(max(id) + 1, 0) FROM people")[0][0]
        return end

    def ids(self) -> list[int]:
        """The ids of all people, in order."""
        return [row[0] for row in self._rows("SELECT id FROM people ORDER BY id")]

    def absent(self, size: int) -> Iterator[int]:
        """The ids below ``size`` that have no person yet, in order, read a page at a time."""
        for first in range(0, size, _PAGE):
            stop = min(first + _PAGE, size)
            there = {row[0] for row in self._rows("SELECT id FROM people WHERE id >= ? AND id < ?", (first, stop))}
            yield from (person for person in range(first, stop) if person not in there)

    def all_people(self) -> Iterator[Person]:
        """All people, in order, read a page at a time."""
        for page in self.pages():
            yield from page

    def pages(self, through: str | None = None) -> Iterator[list[Person]]:
        """All people, or those for whom the step ``through`` is done, in order, as lists of at most a page."""
        for first in range(0, self.end(), _PAGE):
            people = self.people(first, first + _PAGE)
            if through is not None:
                done = self.done(through, first, first + _PAGE)
                people = [person for person in people if person.id in done]
            yield people

    def gifts_without(self, step: str) -> tuple[int, int]:
        """For people in the state for whom ``step`` is not done: the number of gifts, and their sum in whole tokens.

        A gift whose transaction is mined is not counted, even if its outcome has not been written.
        """
        sql = (
            f"SELECT count(*), coalesce(sum(gift / {_HALF}), 0), coalesce(sum(gift % {_HALF}), 0) FROM people"  # noqa: S608
            " WHERE gift > 0 AND id NOT IN (SELECT person FROM outcomes WHERE step = ? AND ok)"
            " AND id NOT IN (SELECT person FROM ledger WHERE purpose = ? AND status = 'mined')"
        )
        number, high, low = self._rows(sql, (step, step))[0]
        return number, high * _HALF + low

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
        with self._write(writes.OUTCOMES) as db:
            db.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING", made)
            db.executemany(
                "UPDATE people SET address = ?, spelled = ? WHERE id = ?",
                [(a, spelled.get(i), i) for i, a in addresses],
            )
            db.executemany(
                "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?)",
                [(step, o.person, int(o.ok), o.detail) for o in outcomes],
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

    def done(self, step: str, first: int, stop: int) -> set[int]:
        """The ids in the range for which ``step`` is done."""
        sql = "SELECT person FROM outcomes WHERE step = ? AND person >= ? AND person < ? AND ok"
        return {row[0] for row in self._rows(sql, (step, first, stop))}

    def counts(self) -> dict[str, tuple[int, int]]:
        """Per step: number of people done and number failed."""
        rows = self._rows("SELECT step, sum(ok), sum(1 - ok) FROM outcomes GROUP BY step")
        return {step: (ok, failed) for step, ok, failed in rows}

    def failures(self, step: str, limit: int) -> list[Outcome]:
        sql = "SELECT person, detail FROM outcomes WHERE step = ? AND NOT ok ORDER BY person LIMIT ?"
        return [Outcome(person, ok=False, detail=detail) for person, detail in self._rows(sql, (step, limit))]

    # --- ledger -------------------------------------------------------------------------------------------------

    def live_transactions(self, purpose: str, people: Sequence[int]) -> dict[int, LedgerRow]:
        """Transactions of ``purpose`` that are not known to have failed, by person."""
        marks = ",".join("?" * len(people))
        sql = f"SELECT {_LEDGER} FROM ledger WHERE purpose = ? AND person IN ({marks}) AND status <> 'failed'"  # noqa: S608
        return {row[1]: LedgerRow(*row) for row in self._rows(sql, (purpose, *people))}

    def failed_transactions(self, purpose: str, people: Sequence[int]) -> list[LedgerRow]:
        """Transactions of ``purpose`` that failed, in the order in which they were signed."""
        marks = ",".join("?" * len(people))
        sql = (
            f"SELECT {_LEDGER} FROM ledger WHERE purpose = ? AND person IN ({marks}) AND status = 'failed' ORDER BY id"  # noqa: S608
        )
        return [LedgerRow(*row) for row in self._rows(sql, (purpose, *people))]

    def outstanding(self, signer: bytes) -> list[LedgerRow]:
        """Transactions that have not ended as far as is known (signed or broadcast), in nonce order."""
        sql = f"SELECT {_LEDGER} FROM ledger WHERE signer = ? AND status IN ('signed', 'broadcast') ORDER BY nonce"  # noqa: S608
        return [LedgerRow(*row) for row in self._rows(sql, (signer,))]

    def ended(self, hashes: Sequence[bytes]) -> list[LedgerRow]:
        """Those of the transactions that have ended."""
        sql = (
            f"SELECT {_LEDGER} FROM ledger WHERE status IN ('mined', 'failed')"  # noqa: S608
            f" AND hash IN ({','.join('?' * len(hashes))})"
        )
        return [LedgerRow(*row) for row in self._rows(sql, hashes)]

    def settled_from(self, signer: bytes, nonce: int) -> list[LedgerRow]:
        """Ended transactions with this nonce or a higher one. With the node's next nonce: those whose blocks the node lacks."""
        sql = f"SELECT {_LEDGER} FROM ledger WHERE signer = ? AND nonce >= ? AND status IN ('mined', 'failed')"  # noqa: S608
        return [LedgerRow(*row) for row in self._rows(sql, (signer, nonce))]

    def reopen(self, hashes: Iterable[bytes]) -> None:
        """Marks ended transactions as broadcast, since the node no longer has their blocks."""
        with self._write(writes.REOPENED) as db:
            db.executemany("UPDATE ledger SET status = 'broadcast' WHERE hash = ?", [(h,) for h in hashes])

    def height(self) -> int:
        """The highest number of a block in which a transaction ended; 0 without one."""
        last: int | None = self._rows("SELECT max(block) FROM ledger")[0][0]
        return last or 0

    def last_nonce(self, signer: bytes) -> int | None:
        last: int | None = self._rows("SELECT max(nonce) FROM ledger WHERE signer = ?", (signer,))[0][0]
        return last

    def add_transactions(self, rows: Iterable[LedgerRow]) -> None:
        """Commits transactions, durably. Raises StateRefusedError if one for the same purpose and person has not failed."""
        values = [
            (r.purpose, r.person, r.signer, r.nonce, r.hash, r.raw, r.gas, r.status, r.block, r.detail) for r in rows
        ]
        # Durable: if a power cut lost a transaction that was sent, a second one would be signed for the same gift.
        with self._unique(), self._write(writes.SIGNED, durable=True) as db:
            db.executemany(f"INSERT INTO ledger ({_LEDGER}) VALUES ({','.join('?' * 10)})", values)  # noqa: S608

    def mark_broadcast(self, hashes: Iterable[bytes]) -> None:
        with self._write(writes.BROADCAST) as db:
            db.executemany(
                "UPDATE ledger SET status = 'broadcast' WHERE hash = ? AND status = 'signed'", [(h,) for h in hashes]
            )

    def settle(self, ends: Iterable[tuple[bytes, str, int, str | None]]) -> None:
        """Writes how transactions ended: (hash, 'mined' or 'failed', block number, detail)."""
        with self._write(writes.SETTLED) as db:
            db.executemany(
                "UPDATE ledger SET status = ?, block = ?, detail = ? WHERE hash = ?",
                [(status, block, detail, h) for h, status, block, detail in ends],
            )

    def transaction_counts(self) -> dict[str, dict[str, int]]:
        """Number of transactions by purpose and status."""
        counts: dict[str, dict[str, int]] = {}
        for purpose, status, number in self._rows("SELECT purpose, status, count(*) FROM ledger GROUP BY 1, 2"):
            counts.setdefault(purpose, {})[status] = number
        return counts

    def transactions(self) -> Iterator[LedgerRow]:
        """All transactions in the order in which they were signed, read a page at a time."""
        last = 0
        sql = f"SELECT id, {_LEDGER} FROM ledger WHERE id > ? ORDER BY id LIMIT {_PAGE}"  # noqa: S608
        while rows := self._rows(sql, (last,)):
            yield from (LedgerRow(*row[1:]) for row in rows)
            last = rows[-1][0]

    # --- requests -----------------------------------------------------------------------------------------------

    def add_requests(self, rows: Iterable[RequestRow]) -> None:
        """Commits requests, durably, before they are sent: otherwise a power cut could lead to a second account."""
        values = [(r.id, r.person, r.channel, r.status, r.address, r.detail) for r in rows]
        with self._unique(), self._write(writes.REQUESTED, durable=True) as db:
            db.executemany(f"INSERT INTO requests ({_REQUEST}) VALUES (?, ?, ?, ?, ?, ?)", values)  # noqa: S608

    def requests(self, people: Sequence[int]) -> dict[int, list[RequestRow]]:
        """The requests for each of these people, in the order in which they were written."""
        found: dict[int, list[RequestRow]] = {}
        marks = ",".join("?" * len(people))
        sql = f"SELECT {_REQUEST}, sequence FROM requests WHERE person IN ({marks}) ORDER BY sequence"  # noqa: S608
        for row in self._rows(sql, people):
            found.setdefault(row[1], []).append(RequestRow(*row))
        return found

    def answer_requests(self, rows: Iterable[RequestRow]) -> None:
        """Writes the results of requests."""
        values = [(r.status, r.address, r.detail, r.id) for r in rows]
        with self._write(writes.ANSWERED) as db:
            db.executemany("UPDATE requests SET status = ?, address = ?, detail = ? WHERE id = ?", values)

    def last_request(self) -> int:
        """The sequence number of the last request; 0 when there is none."""
        last: int = self._rows("SELECT coalesce(max(sequence), 0) FROM requests")[0][0]
        return last

    def orphans(self) -> Orphans:
        """The accounts that were, or may have been, created for a person who uses another one."""
        sql = (
            "SELECT coalesce(sum(requests.address IS NOT NULL AND requests.address <> people.address), 0),"
            " coalesce(sum(status = 'asked' AND requests.address IS NULL), 0)"
            " FROM requests JOIN people ON people.id = person WHERE people.address IS NOT NULL"
        )
        certain, possible = self._rows(sql)[0]
        return Orphans(certain, possible)

    # --- checks -------------------------------------------------------------------------------------------------

    def record_checks(self, checks: Iterable[CheckRow]) -> None:
        rows = [(c.name, c.errors, c.total, c.allowed, json.dumps(c.failing), c.read_back) for c in checks]
        with self._write(writes.CHECKS) as db:
            db.executemany("INSERT OR REPLACE INTO checks VALUES (?, ?, ?, ?, ?, ?)", rows)

    def forget_checks(self) -> None:
        with self._write(writes.CHECKS_FORGOTTEN) as db:
            db.execute("DELETE FROM checks")

    def checks(self) -> dict[str, CheckRow]:
        rows = self._rows("SELECT * FROM checks")
        return {r[0]: CheckRow(r[0], r[1], r[2], r[3], json.loads(r[4]), r[5]) for r in rows}


_LEDGER = "purpose, person, signer, nonce, hash, raw, gas, status, block, detail"
_REQUEST = "id, person, channel, status, address, detail"
