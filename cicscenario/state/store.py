"""The state of a run, in SQLite: the only module that writes it."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cicscenario.errors import StateRefusedError
from cicscenario.people.person import Person
from cicscenario.state.database import create, damaged, refusals
from cicscenario.state.migrations import SCHEMA_VERSION, migrate, version_of
from cicscenario.state.rows import CheckRow, LedgerRow, Outcome, RequestRow

STATE = "state.sqlite"  #: name of the file in a run directory
_PAGE = 1000
_HALF = 2**32  # sums are made of two halves: SQLite's own end at 2**63


class Store:
    """One run's state, safe for use by many threads; every method is one transaction.

    Opening a file that is not a whole state raises StateRefusedError; with ``set_aside``, for whoever holds the run
    directory's lock, it is given another name first. Whatever the disk or another program refuses is an UnavailableError.
    """

    def __init__(self, path: Path, *, set_aside: bool = False) -> None:
        self.path = path
        self._mutex = threading.RLock()
        with refusals(path):
            if not path.exists():
                create(path)
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            try:
                self._check()
            except sqlite3.OperationalError:  # it may be as sound as can be
                self._db.close()
                raise
            except sqlite3.DatabaseError as error:
                self._db.close()
                raise damaged(path, error, set_aside=set_aside) from None

    def _check(self) -> None:
        version = version_of(self._db)
        if version == 0:
            raise sqlite3.DatabaseError("it holds no state")
        if version > SCHEMA_VERSION:
            self._db.close()
            raise StateRefusedError(
                f"{self.path} has state format {version}; this cicscenario reads up to {SCHEMA_VERSION}",
                hint="resume with the version that began this run; a new run makes and pays everybody anew",
            )
        found = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        migrate(self._db)

    def close(self) -> None:
        with self._mutex:
            self._db.close()

    @contextmanager
    def _write(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction. A killed process loses none; a power cut may lose the last, unless ``durable``.

        A durable commit takes all earlier ones to the disk with it, so what is lost can only be done again, safely.
        """
        with self._mutex, refusals(self.path):
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk has ended it already
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _unique(self) -> Iterator[None]:
        """Says what it means when something is there already that only this run writes."""
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise StateRefusedError(
                f"{self.path} has another row already in the place of a new one ({error}); nothing was written or sent",
                hint="another program has written into this state: end it, and run the same command again",
            ) from None

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._mutex, refusals(self.path):
            return self._db.execute(sql, parameters).fetchall()

    # --- identity -----------------------------------------------------------------------------------------------

    def meta(self) -> dict[str, str]:
        return dict(self._rows("SELECT key, value FROM meta"))

    def set_meta(self, values: dict[str, str]) -> None:
        with self._write() as db:
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
        """The ids of everybody, in order."""
        return [row[0] for row in self._rows("SELECT id FROM people ORDER BY id")]

    def absent(self, size: int) -> Iterator[int]:
        """The ids below ``size`` of people who have not been made, in order, looked up a page at a time."""
        for first in range(0, size, _PAGE):
            stop = min(first + _PAGE, size)
            there = {row[0] for row in self._rows("SELECT id FROM people WHERE id >= ? AND id < ?", (first, stop))}
            yield from (person for person in range(first, stop) if person not in there)

    def all_people(self) -> Iterator[Person]:
        """Everybody, in order, a page at a time."""
        for page in self.pages():
            yield from page

    def pages(self, through: str | None = None) -> Iterator[list[Person]]:
        """Everybody, or those who are through a step, in order, a page at a time."""
        for first in range(0, self.end(), _PAGE):
            people = self.people(first, first + _PAGE)
            if through is not None:
                done = self.done(through, first, first + _PAGE)
                people = [person for person in people if person.id in done]
            yield people

    def gifts_without(self, step: str) -> tuple[int, int]:
        """Of the people so far who have not been through ``step``: how many get a gift, and the sum in whole tokens.

        Someone whose transaction is mined has been given theirs, whether or not the outcome was written down too.
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
    ) -> list[Outcome]:
        """Writes what a step made of a batch, all or nothing; ``addresses`` are (person, account). Gives what was written.

        No two people have one phone number or one account: whoever comes with another's has failed, and the outcome
        names the other.
        """
        people, addresses, outcomes = list(people), list(addresses), list(outcomes)
        try:
            self._commit(step, outcomes, people, addresses)
        except sqlite3.IntegrityError:
            taken = self._taken(people, addresses)
            outcomes = [
                Outcome(o.person, ok=False, detail=taken[o.person]) if o.person in taken else o for o in outcomes
            ]
            people = [person for person in people if person.id not in taken]
            self._commit(step, outcomes, people, [(person, a) for person, a in addresses if person not in taken])
        return outcomes

    def _commit(
        self, step: str, outcomes: list[Outcome], people: list[Person], addresses: list[tuple[int, bytes]]
    ) -> None:
        made = [
            (p.id, p.document_json, p.phone, p.language, json.dumps(p.tags), p.old_address, p.gift, p.address)
            for p in people
        ]
        with self._write() as db:
            db.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING", made)
            db.executemany("UPDATE people SET address = ? WHERE id = ?", [(a, i) for i, a in addresses])
            db.executemany(
                "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?)",
                [(step, o.person, int(o.ok), o.detail) for o in outcomes],
            )

    def _taken(self, people: list[Person], addresses: list[tuple[int, bytes]]) -> dict[int, str]:
        """Those of a batch who come with somebody else's phone number or account, with what is to be said of it."""
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
        """(value, person) for those of the values that somebody has."""
        marks = ",".join("?" * len(values))
        return self._rows(f"SELECT {column}, id FROM people WHERE {column} IN ({marks})", values)  # noqa: S608

    def done(self, step: str, first: int, stop: int) -> set[int]:
        """Ids in the range for whom ``step`` is done."""
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
        """Signed or broadcast transactions whose end is unknown, in nonce order."""
        sql = f"SELECT {_LEDGER} FROM ledger WHERE signer = ? AND status IN ('signed', 'broadcast') ORDER BY nonce"  # noqa: S608
        return [LedgerRow(*row) for row in self._rows(sql, (signer,))]

    def ended(self, hashes: Sequence[bytes]) -> list[LedgerRow]:
        """Those of the transactions whose end is known."""
        sql = (
            f"SELECT {_LEDGER} FROM ledger WHERE status IN ('mined', 'failed')"  # noqa: S608
            f" AND hash IN ({','.join('?' * len(hashes))})"
        )
        return [LedgerRow(*row) for row in self._rows(sql, hashes)]

    def settled_from(self, signer: bytes, nonce: int) -> list[LedgerRow]:
        """Ended transactions at or above ``nonce``; there are none unless the chain was set back or the node lags."""
        sql = f"SELECT {_LEDGER} FROM ledger WHERE signer = ? AND nonce >= ? AND status IN ('mined', 'failed')"  # noqa: S608
        return [LedgerRow(*row) for row in self._rows(sql, (signer, nonce))]

    def reopen(self, hashes: Iterable[bytes]) -> None:
        """The chain no longer has these: watch them, and send them, again."""
        with self._write() as db:
            db.executemany("UPDATE ledger SET status = 'broadcast' WHERE hash = ?", [(h,) for h in hashes])

    def last_nonce(self, signer: bytes) -> int | None:
        last: int | None = self._rows("SELECT max(nonce) FROM ledger WHERE signer = ?", (signer,))[0][0]
        return last

    def add_transactions(self, rows: Iterable[LedgerRow]) -> None:
        """Commits transactions to the disk; raises StateRefusedError rather than a second live one for a purpose."""
        values = [
            (r.purpose, r.person, r.signer, r.nonce, r.hash, r.raw, r.gas, r.status, r.block, r.detail) for r in rows
        ]
        # A signed transaction must be on the disk before its first broadcast, or a power cut forgets a gift.
        with self._unique(), self._write(durable=True) as db:
            db.executemany(f"INSERT INTO ledger ({_LEDGER}) VALUES ({','.join('?' * 10)})", values)  # noqa: S608

    def mark_broadcast(self, hashes: Iterable[bytes]) -> None:
        with self._write() as db:
            db.executemany(
                "UPDATE ledger SET status = 'broadcast' WHERE hash = ? AND status = 'signed'", [(h,) for h in hashes]
            )

    def settle(self, ends: Iterable[tuple[bytes, str, int, str | None]]) -> None:
        """Writes the end of transactions: (hash, 'mined' or 'failed', block number, detail)."""
        with self._write() as db:
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
        """Every transaction in the order it was signed, a page at a time."""
        last = 0
        sql = f"SELECT id, {_LEDGER} FROM ledger WHERE id > ? ORDER BY id LIMIT {_PAGE}"  # noqa: S608
        while rows := self._rows(sql, (last,)):
            yield from (LedgerRow(*row[1:]) for row in rows)
            last = rows[-1][0]

    # --- requests -----------------------------------------------------------------------------------------------

    def add_requests(self, rows: Iterable[RequestRow]) -> None:
        """Commits to the disk what is about to be asked for: a power cut must not make somebody a second account."""
        values = [(r.id, r.person, r.channel, r.status, r.address, r.detail) for r in rows]
        with self._unique(), self._write(durable=True) as db:
            db.executemany(f"INSERT INTO requests ({_REQUEST}) VALUES (?, ?, ?, ?, ?, ?)", values)  # noqa: S608

    def requests(self, people: Sequence[int]) -> dict[int, list[RequestRow]]:
        """What was asked for each of these people, in the order in which it was written down."""
        found: dict[int, list[RequestRow]] = {}
        marks = ",".join("?" * len(people))
        sql = f"SELECT {_REQUEST} FROM requests WHERE person IN ({marks}) ORDER BY sequence"  # noqa: S608
        for row in self._rows(sql, people):
            found.setdefault(row[1], []).append(RequestRow(*row))
        return found

    def answer_requests(self, rows: Iterable[RequestRow]) -> None:
        """Writes what became of requests."""
        values = [(r.status, r.address, r.detail, r.id) for r in rows]
        with self._write() as db:
            db.executemany("UPDATE requests SET status = ?, address = ?, detail = ? WHERE id = ?", values)

    def orphans(self) -> int:
        """Number of requests that made an account, or may have, which is not the person's: nobody uses these."""
        sql = (
            "SELECT count(*) FROM requests JOIN people ON people.id = person WHERE people.address IS NOT NULL"
            " AND (status = 'created' AND requests.address <> people.address OR status = 'asked')"
        )
        count: int = self._rows(sql)[0][0]
        return count

    # --- checks -------------------------------------------------------------------------------------------------

    def record_checks(self, checks: Iterable[CheckRow]) -> None:
        rows = [(c.name, c.errors, c.total, c.allowed, json.dumps(c.failing)) for c in checks]
        with self._write() as db:
            db.executemany("INSERT OR REPLACE INTO checks VALUES (?, ?, ?, ?, ?)", rows)

    def forget_checks(self) -> None:
        with self._write() as db:
            db.execute("DELETE FROM checks")

    def checks(self) -> dict[str, CheckRow]:
        return {r[0]: CheckRow(r[0], r[1], r[2], r[3], json.loads(r[4])) for r in self._rows("SELECT * FROM checks")}


_LEDGER = "purpose, person, signer, nonce, hash, raw, gas, status, block, detail"
_REQUEST = "id, person, channel, status, address, detail"
