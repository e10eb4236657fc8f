"""What is lost, doubled or wrong in a simulated world is told, so that a run that did it cannot pass."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import bcrypt
import pytest

from tests.soak.database import ACTIVE, Account, Database
from tests.soak.kept import keccak
from tests.soak.truth import entered

PHONES = ("+254700000001", "+254700000002")
PINS = ("3643", "4533")  # of the persons 0 and 1
HASHES = [bcrypt.hashpw(pin.encode(), bcrypt.gensalt(4)).decode() for pin in PINS]


def account(person: int) -> bytes:
    return keccak(b"%d" % person)[12:]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / "state.sqlite"
    database = sqlite3.connect(path)
    with database:
        database.execute("CREATE TABLE people (id, phone, language, address)")
        for person, phone in enumerate(PHONES):
            database.execute("INSERT INTO people VALUES (?, ?, 'en', ?)", (person, phone, account(person)))
    database.close()
    (tmp_path / "pins.csv").write_text("".join(f"{phone},{HASHES[n]}\n" for n, phone in enumerate(PHONES)))
    (tmp_path / "ussd_data.csv").write_text("".join(f"{phone},1,en,False\n" for phone in PHONES))
    return path


def table() -> Database:
    rows = {phone: Account(account(n), "en", 0.0, ACTIVE, HASHES[n]) for n, phone in enumerate(PHONES)}
    return Database(rows)


def told(state: Path, database: Database) -> list[str]:
    return list(entered(state, database, has_pins=True, has_data=True))


def test_nothing_is_told_of_a_table_that_is_right(state: Path) -> None:
    assert told(state, table()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows.pop(PHONES[1]), "or none"),
        (lambda rows: rows.update({"+254700000003": rows[PHONES[0]]}), "numbers of nobody"),
        (lambda rows: setattr(rows[PHONES[0]], "address", account(1)), "another account"),
        (lambda rows: setattr(rows[PHONES[0]], "status", 1), "the status 1"),
        (lambda rows: setattr(rows[PHONES[0]], "language", "sw"), "the language sw"),
        (lambda rows: setattr(rows[PHONES[0]], "password_hash", None), "is not of the PIN"),
        (lambda rows: setattr(rows[PHONES[0]], "password_hash", HASHES[1]), "is not of the PIN"),
    ],
)
def test_a_row_that_is_wrong_is_told(state: Path, change: Callable[[dict[str, Account]], object], words: str) -> None:
    database = table()
    change(database.accounts)
    assert words in "\n".join(told(state, database))


@pytest.mark.parametrize("name", ["pins.csv", "ussd_data.csv"])
@pytest.mark.parametrize("text", ["", "{0}{0}", "+254700000009,x\n{0}"])
def test_a_list_with_other_lines_is_told(state: Path, name: str, text: str) -> None:
    path = state.with_name(name)
    path.write_text(text.format(path.read_text()))
    assert f"{name} has other lines" in "\n".join(told(state, table()))
