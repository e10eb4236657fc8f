"""An open state file: its connection, transactions and checks. The tables' methods are in the modules beside this one."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cicscenario.boundaries import Boundary
from cicscenario.errors import StateRefusedError
from cicscenario.state.database import SCHEMA, connect, create, no_link, sqlite_errors
from cicscenario.state.inspection import InspectBeside, Inspection, guard, unguard
from cicscenario.state.integrity import (
    Damage,
    check_structure,
    definition_damage,
    first_damage,
    first_malformed,
    has_digests,
    is_sound,
    named,
)
from cicscenario.state.migrations import SCHEMA_VERSION, WITH_DIGESTS, migrate, version_of

PAGE = 1000  #: rows that are read at a time where a table is read whole
_NOBODY = 2**63  # above every person's id

#: The steps that the outcomes are of, found without reading the outcomes.
_STEPS = """
WITH RECURSIVE steps (step) AS (
  SELECT min(step) FROM outcomes
  UNION ALL SELECT (SELECT min(step) FROM outcomes WHERE step > steps.step) FROM steps WHERE step IS NOT NULL
)
"""
#: The highest person of whom each table has something; of the ledger, as the index says that is asked about people.
_HIGHEST = (
    "SELECT max(id) FROM people",
    f"{_STEPS} SELECT max((SELECT max(person) FROM outcomes WHERE step = steps.step)) FROM steps",  # noqa: S608
    "SELECT max(person) FROM ledger INDEXED BY one_live_transaction WHERE status NOT IN ('failed', 'replaced')",
    "SELECT max(person) FROM ledger INDEXED BY failed WHERE status = 'failed'",
    "SELECT max(person) FROM requests",
    "SELECT max(person) FROM payments",
)


class Tables:
    """One run's state, safe for use by many threads; every method is one transaction.

    Opening a file that is not a complete state, or one that is damaged, raises StateRefusedError and leaves it as it is. With
    ``rows`` every row is held against its digest; without it only those that are read whole. That may take a minute for a big
    state: with ``beside`` it goes on while the state is used, and any method then raises the StateRefusedError as soon as damage
    is found; ``await_check`` waits for its end. A full disk, or a file locked by another program, raises UnavailableError.
    """

    def __init__(self, path: Path, *, rows: bool = True, beside: InspectBeside | None = None) -> None:
        self.path = no_link(path)
        self._inspection: Inspection | None = None  # while it goes on beside
        self._begun = _NOBODY  # meanwhile: one more than the highest person of whom any table has anything
        self._mutex = threading.RLock()
        self._synchronous = ""  # how the connection flushes now
        with sqlite_errors(path):
            if not path.exists():
                create(path)
            self._db = connect(path)
            try:
                if rows and beside and path.stat().st_size > beside.small:
                    self._check_definitions()
                    self._inspect(beside)
                else:
                    self._check(rows=rows)
            except BaseException:
                self.close()
                raise

    def _inspect(self, beside: InspectBeside) -> None:
        """Begins to hold all of the state against itself."""
        self._inspection = inspection = Inspection(self.path, beside)
        if inspection.is_over:
            self._end_inspection()
            return
        guard(self._db, inspection.found)
        highest = [self._db.execute(sql).fetchone()[0] for sql in _HIGHEST]
        self._begun = max(
            (1 + one if isinstance(one, int) else _NOBODY for one in highest if one is not None), default=0
        )

    def _end_inspection(self) -> None:
        if self._inspection:
            self._inspection.close()
            self._inspection = None

    def await_check(self, people: Iterable[int] | None = None, *, stoppable: bool = True) -> None:
        """Returns when it is certain that what the state does not have of these people was never there. None: of all.

        It is, once all of the state has been held against itself; before that for people of whom no table has anything. Raises
        StateRefusedError for damage, and InterruptedRunError when the run is to stop, unless it is not ``stoppable``.
        """
        inspection = self._inspection
        if inspection is None or not self._may_have_lost(people):
            return
        inspection.wait(stoppable=stoppable)
        with self._mutex, sqlite_errors(self.path):
            self._refuse_damage()

    def awaits_check(self, people: Iterable[int] | None = None) -> bool:
        """Whether ``await_check`` would wait now. Raises StateRefusedError for damage."""
        inspection = self._inspection
        return inspection is not None and not inspection.is_over and self._may_have_lost(people)

    def _may_have_lost(self, people: Iterable[int] | None) -> bool:
        """Whether the state had anything of these people, or of any for None, when its inspection began."""
        return people is None or any(person < self._begun for person in people)

    def _check(self, *, rows: bool) -> None:
        """Holds rows against their digests, and indexes against their tables; without ``rows`` only the structure of the file."""
        check_structure(self._db, indexes=rows)
        self._check_definitions()
        if rows:
            _refuse(first_damage(self._db))

    def _check_definitions(self) -> None:
        """Sees that the file is a state of this format; converts one of an earlier format, when all of it is sound."""
        version = version_of(self._db)
        if version == 0:
            raise sqlite3.DatabaseError("it is not a state")
        if version > SCHEMA_VERSION:
            raise StateRefusedError(
                f"{self.path} has state format {version}; this cicscenario reads up to {SCHEMA_VERSION}",
                hint="resume with the version that began this run; a new run creates and pays everybody again",
            )
        if version < SCHEMA_VERSION:
            check_structure(self._db)
        # A new state has no log; without one the state is as safe, but slower.
        self._db.execute("PRAGMA journal_mode=WAL")
        if (version >= WITH_DIGESTS) != has_digests(self._db):
            raise sqlite3.DatabaseError(f"it says that it has format {version}, and its tables have another one")
        if version < SCHEMA_VERSION:  # before they are converted, which gives all rows new digests
            _refuse(first_damage(self._db) if version >= WITH_DIGESTS else first_malformed(self._db))
        migrate(self._db)
        _refuse(definition_damage(self._db, SCHEMA))

    @staticmethod
    def now() -> int:
        """The time that rows get, in Unix seconds."""
        return int(datetime.now(UTC).timestamp())

    def close(self) -> None:
        with self._mutex:
            self._end_inspection()
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
            self._refuse_damage()
            self._flush_as("FULL" if durable else "NORMAL")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # on a full disk SQLite has rolled back already
                    self._db.execute("ROLLBACK")
                self._refuse_damage()  # of the rows that were to be changed
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
            self._refuse_damage()
            return self._db.execute(sql, parameters).fetchall()

    def _refuse_damage(self) -> None:
        """Raises StateRefusedError for damage that was found since the state was opened; ends an inspection that is over."""
        if self._inspection and self._inspection.is_over:
            unguard(self._db)
            self._end_inspection()

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
