"""Reads what is sound in a damaged state, and writes a new state from it. The damaged file is only copied and renamed."""

import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cicscenario.boundaries import Boundary
from cicscenario.errors import StateRefusedError, UnavailableError
from cicscenario.files import replacing
from cicscenario.inputs import open_input
from cicscenario.state.database import SCHEMA, connect, create, delete_temporary, flush, sqlite_errors
from cicscenario.state.integrity import (
    COLUMNS,
    COUNTED_BY,
    Damage,
    definition_damage,
    has_digests,
    is_sound,
    is_well_formed,
    missing,
    named,
)
from cicscenario.state.migrations import SCHEMA_VERSION, version_of

_MADE_ANEW = Boundary("state.made_anew")  # a new state beside a damaged one
_SET_ASIDE = Boundary("state.set_aside")  # a damaged state is renamed, a file at a time; its log is copied before
_IN_PLACE = Boundary("state.in_place")  # the new state gets the name
_STRUCTURE = 5  # as many faults of the file's structure are named

_KEY = {"outcomes": 2}  # how many columns are the key, where it is more than the first
#: What earlier formats say about columns that they do not have.
_ABSENT = {
    "spelled": "NULL",
    "read_back": "0",
    "at": "0",
    "sequence": "row_number() OVER (ORDER BY status <> 'failed', id)",
}

Row = tuple[Any, ...]


class Salvage:
    """A copy of a state, whose sound rows are read one by one. See ``salvaged``."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.version = 0
        self.damage: list[Damage] = []
        self.digests = self._is_of_today = False
        self._there: dict[str, set[str]] = {}  #: the columns of each table
        try:
            self.version = version_of(db)
            self.digests = has_digests(db)
            if self.version == 0:
                self._note("the file", "is not a state")
            self._look_at_the_whole()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self._note("the file", f"cannot be read: {error}")
        for table in COLUMNS:
            for row in self._rows(table):
                if not self._fits(table, row):
                    self.damage.append(named(table, row))
            self._look_at_the_number(table)

    def _look_at_the_whole(self) -> None:
        for (found,) in self._db.execute(f"PRAGMA integrity_check({_STRUCTURE})"):
            if found != "ok":
                self._note("the structure", " ".join(found.split())[:200])
        unlike = definition_damage(self._db, SCHEMA)
        self._is_of_today = unlike is None
        if self._is_of_today and self.version != SCHEMA_VERSION:
            self._note(
                "the file", f"says that it has format {self.version}, and its tables have format {SCHEMA_VERSION}"
            )
        elif unlike and self.version == SCHEMA_VERSION:
            self.damage.append(unlike)

    def _look_at_the_number(self, table: str) -> None:
        try:
            self.damage += [gap] if self.digests and (gap := missing(self._db, table)) else []
        except sqlite3.Error as error:
            if not self.damage:  # else it is no other than what was noted before
                self._note("the numbers of rows", f"cannot be read: {error}")

    def _note(self, where: str, what: str) -> None:
        self.damage.append(Damage("file", where, what))

    def sound(self, table: str) -> Iterator[Row]:
        """The sound rows of a table, with the columns of today's format."""
        return (row[: len(COLUMNS[table])] for row in self._rows(table) if self._fits(table, row))

    def _fits(self, table: str, row: Row) -> bool:
        if not self.digests:
            return is_well_formed(table, row)
        there = self._there[table]
        own = [value for name, value in zip(COLUMNS[table], row, strict=False) if name in there]
        return is_sound(table, [*own, row[-1]])

    def _rows(self, table: str) -> Iterator[Row]:
        """The rows that SQLite can read: from the front, and where it cannot go on, from the back."""
        seen: set[Row] = set()
        for direction in ("ASC", "DESC"):
            with suppress(sqlite3.Error, UnicodeDecodeError):
                for row in self._selected(table, direction):
                    key = row[: _KEY.get(table, 1)]
                    if key in seen:
                        return
                    seen.add(key)
                    yield row
                return

    def _selected(self, table: str, direction: str) -> Iterator[Row]:
        """Rows with the columns of today's format, whatever the format of the file. Text comes with replacement characters."""
        there = {name for _, name, *_ in self._db.execute(f"PRAGMA table_info({table})")}
        self._there[table] = there
        if not there:
            raise sqlite3.DatabaseError(f"it has no table {table}")
        if lost := set(COLUMNS[table]) - there - set(_ABSENT):
            raise sqlite3.DatabaseError(f"its table {table} has no column {min(lost)}")
        columns = ", ".join(name if name in there else f"{_ABSENT[name]} AS {name}" for name in COLUMNS[table])
        digest = ", digest" if self.digests else ""
        order = ", ".join(f"{number} {direction}" for number in range(1, _KEY.get(table, 1) + 1))
        self._db.text_factory = lambda raw: raw.decode("utf-8", "replace")
        rows = self._db.execute(f"SELECT {columns}{digest} FROM {table} ORDER BY {order}")  # noqa: S608
        for row in rows:  # noqa: UP028  # ``yield from`` would close the cursor, also after the connection is closed
            yield row

    @property
    def newer(self) -> bool:
        """Whether a later cicscenario made it, so that its tables mean something else."""
        return self.version > SCHEMA_VERSION and not self._is_of_today

    def complete(self, table: str) -> bool:
        """Whether every row of a table is there, as far as its rows are counted; else whether nothing at all is damaged."""
        if not self.digests or table not in COUNTED_BY:
            return not self.damage
        try:
            return missing(self._db, table) is None and not any(damage.table == table for damage in self.damage)
        except (sqlite3.Error, UnicodeDecodeError):
            return False

    def meta(self) -> dict[str, str]:
        return dict(self.sound("meta"))

    def counts(self) -> dict[str, int]:
        """The number of sound rows of each table."""
        return {table: sum(1 for _ in self.sound(table)) for table in COLUMNS}

    def outcomes(self) -> dict[str, tuple[int, int]]:
        """Per step: number of people done and number failed."""
        found = Counter((row[0], bool(row[2])) for row in self.sound("outcomes"))
        return {step: (found[step, True], found[step, False]) for step in dict.fromkeys(step for step, _ in found)}


@contextmanager
def salvaged(path: Path) -> Iterator[Salvage]:
    """A copy of the state ``path`` and its log, opened to read what is sound. ``path`` may be read-only, and is not changed.

    Raises UnavailableError when there is no room for the copy.
    """
    with TemporaryDirectory(prefix="cicscenario-state-") as folder:
        copy = Path(folder) / path.name
        for suffix in ("", "-wal"):
            if (part := path.with_name(path.name + suffix)).exists():
                shutil.copyfile(part, copy.with_name(copy.name + suffix))
        with sqlite_errors(path), closing(connect(copy)) as db:
            yield Salvage(db)


def write_anew(path: Path, rows: Mapping[str, Iterable[Row]]) -> None:
    """Makes a state at ``path`` with these rows, which have the columns of today's format; it is on the disk at the end.

    Transactions and requests keep their order, and are numbered anew. Raises UnavailableError; then there is no file.
    """
    delete_temporary(path)
    try:
        with sqlite_errors(path), _MADE_ANEW:
            create(path)
            with closing(connect(path)) as db:
                db.execute("PRAGMA synchronous=FULL")
                db.execute("BEGIN")
                for table, those in rows.items():
                    skip = 1 if table in COUNTED_BY else 0
                    names = COLUMNS[table][skip:]
                    marks = ",".join("?" * len(names))
                    sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608
                    in_order = sorted(those, key=lambda row: row[0]) if skip else those
                    db.executemany(sql, (row[skip:] for row in in_order))
                db.execute("COMMIT")
            flush(path)
    except BaseException:
        delete_temporary(path)
        raise


def put_in_place(made: Path, path: Path) -> Path | None:
    """Renames ``path``, if it exists, to a name that tells that it is damaged, and gives that name; then ``made`` to ``path``.

    Raises UnavailableError when ``made`` is not whole.
    """
    if made.with_name(f"{made.name}-wal").exists():  # SQLite does not tell when it cannot write its log back
        raise UnavailableError(f"cannot use {made}: its log could not be written back", hint="is the disk full?")
    kept = None
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    if os.path.lexists(aside):
        raise StateRefusedError(f"{aside} exists already", hint="run the same command again")
    logs = [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")]
    if os.path.lexists(path):
        kept = aside
        # Rows may be only in the log. So at no moment is the state under a name that does not have its log beside it: a
        # repair that is killed here reads the same rows again.
        for log in (log for log in logs if log.exists()):
            with _SET_ASIDE, open_input(log) as source, replacing(_beside(aside, log, path), durable=True) as copy:
                shutil.copyfileobj(source, copy)
        with _SET_ASIDE:
            path.rename(kept)
            flush(path.parent)
    for log in (log for log in logs if os.path.lexists(log)):  # also what a killed repair left: no log of another state
        with _SET_ASIDE:
            log.rename(_beside(aside, log, path))
    with _IN_PLACE:
        made.rename(path)
        flush(path.parent)
    return kept


def _beside(kept: Path, log: Path, path: Path) -> Path:
    """The name of a log of ``path`` when the state is called ``kept``."""
    return kept.with_name(kept.name + log.name.removeprefix(path.name))
