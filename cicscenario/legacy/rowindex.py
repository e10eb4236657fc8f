"""Finds rows of a table by person and by phone number. It is on disk, in a temporary file without a name: memory stays flat."""

import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cicscenario.errors import UnavailableError

_SCHEMA = """
PRAGMA temp_store=FILE; PRAGMA temp.journal_mode=OFF; PRAGMA temp.synchronous=OFF; PRAGMA temp.cache_size=-16000;
CREATE TEMP TABLE numbers (phone INTEGER PRIMARY KEY, line INTEGER NOT NULL, at INTEGER NOT NULL, length INTEGER NOT NULL,
  digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TEMP TABLE accounts (account BLOB PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID;
CREATE TEMP TABLE people (id INTEGER PRIMARY KEY, phone INTEGER NOT NULL, gift INTEGER NOT NULL, account BLOB);
CREATE TEMP TABLE hashes (phone INTEGER PRIMARY KEY, hash TEXT NOT NULL, line INTEGER NOT NULL);
"""
_PEOPLE = """
SELECT people.phone, line, at, length, digest, gift, account FROM temp.people JOIN temp.numbers USING (phone)
WHERE id >= ? AND id < ? ORDER BY id
"""


@dataclass(frozen=True)
class RowPlace:
    """Where a row is in its file, and what of it is needed without reading it."""

    phone: int
    line: int
    offset: int
    length: int  #: bytes
    digest: bytes  #: of its bytes
    gift: int = 0
    account: bytes | None = None


class RowIndex:
    """The index of one table. Thread-safe. Raises UnavailableError when there is no room on the disk."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        with _disk():
            self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
            self._db.executescript(_SCHEMA)
        weakref.finalize(self, self._db.close)

    def add_number(self, place: RowPlace) -> int | None:
        """Notes the row of a phone number; gives the line of the row that had the number before, or None."""
        if first := self._one("SELECT line FROM temp.numbers WHERE phone = ?", place.phone):
            return int(first[0])
        row = (place.phone, place.line, place.offset, place.length, place.digest)
        self._do("INSERT INTO temp.numbers VALUES (?, ?, ?, ?, ?)", row)
        return None

    def add_account(self, account: bytes, line: int) -> int | None:
        """Notes the row of an account; gives the line of the row that had it before, or None."""
        if first := self._one("SELECT line FROM temp.accounts WHERE account = ?", account):
            return int(first[0])
        self._do("INSERT INTO temp.accounts VALUES (?, ?)", (account, line))
        return None

    def add_person(self, id: int, place: RowPlace) -> None:
        """Notes a person, whose number is noted already."""
        self._do("INSERT INTO temp.people VALUES (?, ?, ?, ?)", (id, place.phone, place.gift, place.account))

    def add_hash(self, phone: int, hashed: str, line: int) -> int | None:
        """Notes the hash of a phone number; gives the line of the row that was about them before, or None."""
        if first := self._one("SELECT line FROM temp.hashes WHERE phone = ?", phone):
            return int(first[0])
        self._do("INSERT INTO temp.hashes VALUES (?, ?, ?)", (phone, hashed, line))
        return None

    def people(self, first: int, stop: int) -> list[RowPlace]:
        """The places of people ``first <= id < stop``, in order."""
        with self._lock, _disk():
            return [RowPlace(*row) for row in self._db.execute(_PEOPLE, (first, stop))]

    def number(self, phone: int) -> RowPlace | None:
        """The place of the row of a phone number."""
        row = self._one("SELECT phone, line, at, length, digest FROM temp.numbers WHERE phone = ?", phone)
        return RowPlace(*row) if row else None

    def hash(self, phone: int) -> str | None:
        """The hash of a phone number."""
        row = self._one("SELECT hash FROM temp.hashes WHERE phone = ?", phone)
        return str(row[0]) if row else None

    def _one(self, sql: str, key: Any) -> tuple[Any, ...] | None:
        with self._lock, _disk():
            found: tuple[Any, ...] | None = self._db.execute(sql, (key,)).fetchone()
            return found

    def _do(self, sql: str, row: Sequence[Any]) -> None:
        with self._lock, _disk():
            self._db.execute(sql, row)


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise UnavailableError(
            f"the temporary folder cannot hold the index of a table: {error}", hint="make room there, or set TMPDIR"
        ) from None
