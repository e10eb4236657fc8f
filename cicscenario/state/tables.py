"""An open state file: its connection, transactions and checks. The tables' methods are in the modules beside this one."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cicscenario.boundaries import Boundary
from cicscenario.errors import StateRefusedError
from cicscenario.state.database import SCHEMA, connect, create, no_link, sqlite_errors
from cicscenario.state.integrity import (
    Damage,
    definition_damage,
    first_damage,
    first_malformed,
    has_digests,
    is_sound,
    named,
)
from cicscenario.state.migrations import SCHEMA_VERSION, WITH_DIGESTS, migrate, version_of

PAGE = 1000  #: rows that are read at a time where a table is read whole


class Tables:
    """One run's state, safe for use by many threads; every method is one transaction.

    Opening a file that is not a complete state, or one that is damaged, raises StateRefusedError and leaves it as it is. With
    ``rows`` every row is held against its digest; without it only those that are read whole. A full disk, or a file locked by
    another program, raises UnavailableError.
    """

    def __init__(self, path: Path, *, rows: bool = True) -> None:
        self.path = no_link(path)
        self._mutex = threading.RLock()
        self._synchronous = ""  # how the connection flushes now
        with sqlite_errors(path):
            if not path.exists():
                create(path)
            self._db = connect(path)
            try:
                self._check(rows=rows)
            except BaseException:
                self._db.close()
                raise

    def _check(self, *, rows: bool) -> None:
        version = version_of(self._db)
        if version == 0:
            raise sqlite3.DatabaseError("it is not a state")
        if version > SCHEMA_VERSION:
            raise StateRefusedError(
                f"{self.path} has state format {version}; this cicscenario reads up to {SCHEMA_VERSION}",
                hint="resume with the version that began this run; a new run creates and pays everybody again",
            )
        check = "integrity_check" if rows else "quick_check"  # the former also holds indexes against their tables
        found = self._db.execute(f"PRAGMA {check}(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        self._db.execute(
            "PRAGMA journal_mode=WAL"
        )  # a new state has none; without one the state is as safe, but slower
        if (version >= WITH_DIGESTS) != has_digests(self._db):
            raise sqlite3.DatabaseError(f"it says that it has format {version}, and its tables have another one")
        if version < SCHEMA_VERSION:  # before they are converted, which gives all rows new digests
            _refuse(first_damage(self._db) if version >= WITH_DIGESTS else first_malformed(self._db))
        migrate(self._db)
        _refuse(definition_damage(self._db, SCHEMA))
        if rows:
            _refuse(first_damage(self._db))

    @staticmethod
    def now() -> int:
        """The time that rows get, in Unix seconds."""
        return int(datetime.now(UTC).timestamp())

    def close(self) -> None:
        with self._mutex:
            self._db.close()

    def flush(self) -> None:
        """Moves everything from the log (``-wal``) into the file itself, as far as no other program reads it."""
        with self._mutex, sqlite_errors(self.path):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _write(self, boundary: Boundary, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction. It survives a killed process; with ``durable`` it also survives a power cut.

        A durable commit also flushes all earlier ones. So a power cut only loses work that can safely be done again.
        """
        with boundary, self._mutex, sqlite_errors(self.path):
            self._flush_as("FULL" if durable else "NORMAL")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # on a full disk SQLite has rolled back already
                    self._db.execute("ROLLBACK")
                raise

    def _flush_as(self, synchronous: str) -> None:
        if synchronous != self._synchronous:
            self._db.execute(f"PRAGMA synchronous={synchronous}")
            self._synchronous = synchronous

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

    def _whole(self, table: str, condition: str = "", parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of ``table`` with all their columns, each held against its digest; ``condition`` is what follows the table."""
        rows = self._rows(f"SELECT * FROM {table} {condition}", parameters)  # noqa: S608
        for row in rows:
            if not is_sound(table, row):
                with sqlite_errors(self.path):
                    _refuse(named(table, row))
        return [row[:-1] for row in rows]


def _refuse(damage: Damage | None) -> None:
    if damage:
        raise sqlite3.DatabaseError(str(damage))
