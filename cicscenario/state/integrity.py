"""Finds damage inside a state: rows that are not as they were written, and rows that are gone.

SQLite itself checks only the structure of its file. So each row has a digest, which SQLite computes with ``row_digest``
whenever a row is written, and transactions and requests are numbered without gaps.
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from hashlib import blake2b
from typing import Any

from cicscenario.jsontext import JsonTextError, parse_json

#: The columns of each table in their order. The digest follows them.
COLUMNS = {
    "meta": ("key", "value"),
    "people": ("id", "document", "phone", "language", "tags", "old_address", "gift", "address", "spelled"),
    "outcomes": ("step", "person", "ok", "detail", "at"),
    "ledger": (*("id", "purpose", "person", "signer", "nonce", "hash", "raw", "gas", "status", "block", "detail"),),
    "requests": ("sequence", "id", "person", "channel", "status", "address", "detail"),
    "payments": ("sequence", "id", "number", "person", "status", "hash", "detail"),
    "checks": ("name", "errors", "total", "allowed", "failing", "read_back", "at"),
    "findings": ("name", "first", "failing"),
}
#: The column that has the person, and how many columns are enough to name a row.
_PERSON = {"people": 0, "outcomes": 1, "ledger": 2, "requests": 2, "payments": 3}
_NAMED_BY = {
    "meta": 1,
    "people": 1,
    "outcomes": 2,
    "ledger": 3,
    "requests": 3,
    "payments": 4,
    "checks": 1,
    "findings": 2,
}
#: The column that counts the rows of a table from 1; SQLite remembers the last one that it gave out.
COUNTED_BY = {"ledger": "id", "requests": "sequence", "payments": "sequence"}

#: The columns of the primary keys that have several.
_KEYS = {"outcomes": ("step", "person"), "findings": ("name", "first")}
_PAGE = 5000  # rows that are read in one transaction

_NUMBERS = {"ok", "person", "nonce", "gas", "block", "gift", "sequence", "errors", "total", "read_back", "at", "first"}
_BYTES = {"old_address", "address", "signer", "hash", "raw"}
_MAY_BE_NULL = {"detail", "address", "spelled", "block", "allowed"}
_JSON = {("people", "document"), ("people", "tags"), ("checks", "failing"), ("findings", "failing")}


@dataclass(frozen=True)
class Damage:
    """One thing that is not as it was written. ``row`` names it by its columns; ``person`` as far as the row can be read."""

    table: str
    row: str
    what: str
    person: int | None = None

    def __str__(self) -> str:
        return f"{self.table}: {self.row} {self.what}"


def row_digest(table: str, *values: Any) -> bytes:
    """The digest of a row: 8 bytes of BLAKE2b over the table's name and the values, each in a form that is its own only."""
    parts = [
        f"{len(value)}:{value}" if type(value) is str else f"x{value.hex()}" if type(value) is bytes else repr(value)
        for value in values
    ]
    return blake2b(f"{table},{','.join(parts)}".encode("utf-8", "surrogatepass"), digest_size=8).digest()


def is_sound(table: str, row: Sequence[Any]) -> bool:
    """Whether the digest at the end of ``row`` is that of the values before it."""
    return bool(row_digest(table, *row[:-1]) == row[-1])


def check_structure(db: sqlite3.Connection, *, indexes: bool = True) -> None:
    """Raises sqlite3.DatabaseError when the file's structure is damaged; with ``indexes`` also when one is not as its table."""
    found = db.execute(f"PRAGMA {'integrity_check' if indexes else 'quick_check'}(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def first_damage(db: sqlite3.Connection) -> Damage | None:
    """The first damage in the rows of a state whose structure is sound; None when there is none.

    Others may write meanwhile, and are not held up: each page of rows is read in a transaction of its own.
    """
    for table in _tables(db):
        try:
            if any(not is_sound(table, row) for page in _pages(db, table) for row in page):
                return next(damaged_rows(db, table))
        except sqlite3.OperationalError as error:
            if "UTF-8" not in str(error):
                raise
            return next(damaged_rows(db, table))
        if gap := missing(db, table):
            return gap
    return None


def _pages(db: sqlite3.Connection, table: str) -> Iterator[list[tuple[Any, ...]]]:
    """All rows of a table in the order of its key, in lists of at most ``_PAGE``."""
    key = _KEYS.get(table, COLUMNS[table][:1])
    columns, at = ", ".join(key), [COLUMNS[table].index(column) for column in key]
    ordered = f"ORDER BY {columns} LIMIT {_PAGE}"
    page = db.execute(f"SELECT * FROM {table} {ordered}").fetchall()  # noqa: S608
    following = f"SELECT * FROM {table} WHERE ({columns}) > ({', '.join('?' * len(key))}) {ordered}"  # noqa: S608
    while page:
        yield page
        page = db.execute(following, [page[-1][column] for column in at]).fetchall()


def _tables(db: sqlite3.Connection) -> list[str]:
    """The tables that there are: earlier formats do not have all of them."""
    there = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return [table for table in COLUMNS if table in there]


def definition_damage(db: sqlite3.Connection, schema: str) -> Damage | None:
    """The first table or index that is not defined as in ``schema``. Comments, blanks and quotes do not count."""
    expected = _definitions(schema)
    found = {
        _plain(sql): name
        for name, sql in db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        if name != "sqlite_sequence"
    }
    for unlike in sorted(found.keys() ^ expected):
        return Damage("sqlite_master", found.get(unlike, unlike[:40]), "is not defined as in this format")
    return None


@cache
def _definitions(schema: str) -> frozenset[str]:
    return frozenset(_plain(part) for part in re.sub(r"--[^\n]*", "", schema).split(";")) - {""}


@lru_cache
def _plain(sql: str) -> str:
    return re.sub(r'--[^\n]*|\s+|"', "", sql)


def has_digests(db: sqlite3.Connection) -> bool:
    return any(name == "digest" for _, name, *_ in db.execute("PRAGMA table_xinfo(meta)"))


def first_malformed(db: sqlite3.Connection) -> Damage | None:
    """The first row with values of another kind than their columns; for states without digests."""
    for table in _tables(db):
        names = [name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")]
        for row in _readable(db, table):
            if not is_well_formed(table, row, names):
                return replace(named(table, row), what="has a value that cannot be used")
    return None


def is_well_formed(table: str, row: Sequence[Any], names: Sequence[str] = ()) -> bool:
    """Whether each value is of the kind of its column. ``names`` are the row's columns, else those of today's format."""
    return all(_fits(table, name, value) for name, value in zip(names or COLUMNS[table], row, strict=True))


def _fits(table: str, column: str, value: Any) -> bool:
    if value is None:
        return column in _MAY_BE_NULL
    if isinstance(value, str) and "\ufffd" in value:  # where it was not UTF-8
        return False
    number = column in _NUMBERS or (column == "id" and table != "requests")
    if not isinstance(value, int if number else bytes if column in _BYTES else str):
        return False
    return (table, column) not in _JSON or _is_json(str(value))


def _is_json(text: str) -> bool:
    try:
        parse_json(text)
    except JsonTextError:
        return False
    return True


def all_damage(db: sqlite3.Connection) -> Iterator[Damage]:
    """All damage in the rows of a state."""
    for table in _tables(db):
        yield from damaged_rows(db, table)
        if gap := missing(db, table):
            yield gap


def damaged_rows(db: sqlite3.Connection, table: str) -> Iterator[Damage]:
    """The rows of ``table`` whose digest does not fit."""
    for row in _readable(db, table):
        if not is_sound(table, row):
            yield named(table, row)


def sound_rows(db: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """The rows of ``table`` whose digest fits, without it."""
    return (row[:-1] for row in _readable(db, table) if is_sound(table, row))


def _readable(db: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """All rows; what is not UTF-8 comes with replacement characters, so that its digest does not fit."""
    with closing(db.cursor()) as cursor:
        before, db.text_factory = db.text_factory, lambda raw: raw.decode("utf-8", "replace")
        try:
            yield from cursor.execute(f"SELECT * FROM {table}")  # noqa: S608
        finally:
            db.text_factory = before


def named(table: str, row: Sequence[Any]) -> Damage:
    """The damage of a row whose digest does not fit."""
    named = zip(COLUMNS[table][: _NAMED_BY[table]], row, strict=False)
    text = ", ".join(f"{column} {value!r:.60}" for column, value in named)
    person = row[_PERSON[table]] if table in _PERSON else None
    return Damage(
        table, text, "is not as it was written: its digest does not fit", person if isinstance(person, int) else None
    )


def missing(db: sqlite3.Connection, table: str) -> Damage | None:
    """Transactions and requests are never deleted, so their numbers have no gap, and the last one is still there."""
    if (column := COUNTED_BY.get(table)) is None:
        return None
    number, last, given = db.execute(  # in one statement, since others may write
        f"SELECT count(*), coalesce(max({column}), 0),"  # noqa: S608
        " coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name = ?), 0)"
        f" FROM {table}",
        (table,),
    ).fetchone()
    top = max(last, given)
    if number == top:
        return None
    return Damage(table, f"{number:,} of {top:,} rows are there,", "though none is ever deleted")
