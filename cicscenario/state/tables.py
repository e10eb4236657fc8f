"""An open state file: its connection, transactions and checks. The tables' methods are in the modules beside this one."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cicscenario.boundaries import Boundary
from cicscenario.errors import StateRefusedError
from cicscenario.state.database import create, damaged, sqlite_errors
from cicscenario.state.migrations import SCHEMA_VERSION, migrate, version_of

PAGE = 1000  #: rows that are read at a time where a table is read whole


class Tables:
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
        self._db.execute(
            "PRAGMA journal_mode=WAL"
        )  # a new state has none; without one the state is as safe, but slower
        migrate(self._db)

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
