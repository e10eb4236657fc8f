"""A damaged state is opened and right, or refused with what is damaged: never a traceback, and never another address."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cicscenario.errors import StateRefusedError
from cicscenario.state.integrity import COLUMNS
from cicscenario.state.salvage import salvaged
from cicscenario.state.store import Store
from tests.support.states import PAYER, alter, everything

#: A row of each table, as an SQL condition, and how a refusal names it.
ROWS = {
    "meta": ("key = 'lineage'", "meta: key 'lineage'"),
    "people": ("id = 1", "people: id 1"),
    "outcomes": ("step = 'accounts' AND person = 1", "outcomes: step 'accounts', person 1"),
    "ledger": ("id = 2", "ledger: id 2, purpose 'gift', person 1"),
    "requests": ("sequence = 2", "requests: sequence 2, id 'request 1', person 1"),
    "payments": ("sequence = 1", "payments: sequence 1, id 'payment 0', number 0, person 0"),
    "checks": ("name = 'balance'", "checks: name 'balance'"),
    "findings": ("name = 'balance'", "findings: name 'balance', first 0"),
}


def changed(value: Any) -> Any:
    if isinstance(value, int):
        return value ^ 8
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    return "broadcast" if value == "signed" else "x" if value is None else value[:-1] + "~"


@pytest.mark.parametrize(("table", "column"), [(table, column) for table in COLUMNS for column in COLUMNS[table]])
def test_a_changed_value_is_named(path: Path, table: str, column: str) -> None:
    where, named = ROWS[table]
    with closing(sqlite3.connect(path)) as db:
        ((value,),) = db.execute(f"SELECT {column} FROM {table} WHERE {where}")
    new = {"mined": "failed", "broadcast": "signed", "created": "asked", "paid": "failed"}.get(value) or changed(value)
    alter(path, table, where, column, new)
    with pytest.raises(StateRefusedError) as refused:
        Store(path)
    assert f"{path} is damaged ({table}: " in refused.value.message
    assert named in refused.value.message or column in named
    assert refused.value.hint
    assert "state repair" in refused.value.hint


def test_text_that_is_not_utf8_is_named(path: Path) -> None:
    raw = path.read_bytes()
    assert raw.count(b"no answer") == 1
    path.write_bytes(raw.replace(b"no answer", b"no \xff\xffswer"))
    with pytest.raises(StateRefusedError, match="outcomes: step 'accounts', person 3"):
        Store(path)


@pytest.mark.parametrize("row", [1, 2, 3])
def test_a_transaction_that_is_gone_is_noticed(path: Path, row: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DELETE FROM ledger WHERE id = ?", (row,))
    with pytest.raises(StateRefusedError, match="ledger: 2 of 3 rows are there"):
        Store(path)


def test_damage_is_noticed_while_the_state_is_open(path: Path) -> None:
    """Whoever counts only, and does not need every row, is still told of the damage of what is read."""
    store = Store(path, rows=False)
    alter(path, "people", "id = 1", "address", b"\x07" * 20)
    with pytest.raises(StateRefusedError, match="people: id 1"):
        store.people(0, 9)
    store.close()
    counting = Store(path, rows=False)
    assert counting.population() == 4
    counting.close()


def test_another_program_cannot_write_a_row(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db, pytest.raises(sqlite3.OperationalError):
        db.execute("UPDATE people SET gift = 1000000 WHERE id = 0")


def test_the_digest_covers_every_column(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        for table, columns in COLUMNS.items():
            assert tuple(name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")) == columns
            (sql,) = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
            assert f"row_digest('{table}', {', '.join(columns)})" in sql
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert {name for (name,) in tables} == {*COLUMNS, "sqlite_sequence"}


def test_an_index_that_leads_to_another_row_is_noticed(base: Path, tmp_path: Path) -> None:
    """Such as one with which a transaction of ours would not be found among those to be awaited."""
    with closing(sqlite3.connect(base)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'outstanding'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    raw = bytearray(base.read_bytes())
    at = raw.index(PAYER, (page - 1) * size)
    raw[at] ^= 1
    path = tmp_path / "state.sqlite"
    path.write_bytes(raw)
    with pytest.raises(StateRefusedError, match="outstanding"):
        Store(path)


@pytest.mark.parametrize(
    ("name", "word", "other"),
    [
        ("sqlite_sequence", "seq)", "sep)"),  # SQLite's own, for which there is no digest
        ("sqlite_sequence", "(name", "(nama"),
        ("people", "address", "addresx"),
        ("ledger", "nonce", "nonse"),
        ("ledger", "CREATE TABLE ledger", "CREATE TABLE ledgex"),
    ],
)
def test_a_definition_that_was_changed_is_damage(base: Path, tmp_path: Path, name: str, word: str, other: str) -> None:
    """A flipped bit in the name of a column makes our own statements wrong: SQLite says so, and not that the file is damaged."""
    path = tmp_path / "state.sqlite"
    with closing(sqlite3.connect(base)) as db:
        (sql,) = db.execute("SELECT sql FROM sqlite_master WHERE name = ? AND type = 'table'", (name,)).fetchone()
    assert word in sql
    raw = base.read_bytes()
    path.write_bytes(raw.replace(sql.encode(), sql.replace(word, other).encode()))
    found = read(path)
    assert isinstance(found, StateRefusedError), found
    assert "is damaged" in found.message
    assert "state repair" in found.hint
    with salvaged(path) as rest:
        assert rest.damage


# --- any byte ---------------------------------------------------------------------------------------------------


def flip(raw: bytearray, chance: random.Random) -> bytearray:
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    return raw


def overwrite(raw: bytearray, chance: random.Random) -> bytearray:
    start = chance.randrange(len(raw))
    raw[start : start + chance.choice((2, 16, 200))] = chance.randbytes(
        min(chance.choice((2, 16, 200)), len(raw) - start)
    )
    return raw


def truncate(raw: bytearray, chance: random.Random) -> bytearray:
    return raw[: chance.randrange(len(raw))]


def zero(raw: bytearray, chance: random.Random) -> bytearray:
    start = chance.randrange(len(raw)) // 512 * 512
    raw[start : start + 512] = bytes(len(raw[start : start + 512]))
    return raw


#: Flips are most of them: the rest is often noticed by SQLite itself.
MUTATIONS: list[Callable[[bytearray, random.Random], bytearray]] = [flip, flip, flip, overwrite, truncate, zero]


def read(path: Path) -> list[Any] | BaseException:
    """All that the state says, or why it cannot be used."""
    try:
        store = Store(path)
        try:
            return everything(store)
        finally:
            store.close()
    except Exception as error:
        return error


def wrongs(base: Path, folder: Path, seeds: range) -> tuple[dict[str, int], list[str]]:
    """Opens mutated states; gives how many were refused or opened, and what was not as it should be."""
    whole, right = base.read_bytes(), read(base)
    number: dict[str, int] = {"refused": 0, "opened": 0}
    wrong: list[str] = []
    path = folder / "state.sqlite"
    for seed in seeds:
        chance = random.Random(seed)
        raw = bytes(chance.choice(MUTATIONS)(bytearray(whole), chance))
        path.write_bytes(raw)
        found = read(path)
        if isinstance(found, StateRefusedError):
            number["refused"] += 1
            if not (str(path) in found.message and found.hint and "\n" not in found.message):
                wrong.append(f"{seed}: {found!r}")
            if path.read_bytes() != raw:
                wrong.append(f"{seed}: it was changed, though it was refused: {found}")
        elif found == right:
            number["opened"] += 1
        else:
            wrong.append(f"{seed}: {found!r:.2000}")
        for suffix in ("-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    return number, wrong


def test_a_mutated_state_is_right_or_refused(base: Path, tmp_path: Path) -> None:
    number, wrong = wrongs(base, tmp_path, range(300))
    assert wrong == []
    assert number["refused"] > 100
    assert number["opened"] > 5


@pytest.mark.slow
def test_thousands_of_mutated_states_are_right_or_refused(base: Path, tmp_path: Path) -> None:
    number, wrong = wrongs(base, tmp_path, range(1000, 5000))
    assert wrong == []
    assert number["refused"] > 1000
