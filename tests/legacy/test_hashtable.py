"""Hashes of PINs are read as cic-ussd keeps them; anything else is a bad row, and its value is not told."""

from pathlib import Path

import pytest

from cicscenario.errors import InvalidError
from cicscenario.legacy.badrecords import BadRecords
from cicscenario.legacy.hashtable import HashTable
from cicscenario.people.pins import Scheme
from tests.support.states import person

ONE, TWO = person(1), person(2)
BCRYPT = "$2b$08$" + "ab./" * 13 + "c"
FERNET = "gAAAAABgf_rA" + "x" * 100 + "=="


def read(path: Path, text: str, scheme: Scheme = "bcrypt") -> tuple[HashTable, list[str]]:
    path.write_text(text, newline="")
    bad = BadRecords()
    found = HashTable(path, scheme, region="KE", rejected=bad)
    return found, [line.removeprefix(f"{path}:") for line in bad.first]


@pytest.mark.parametrize(
    "text",
    [
        f"{ONE.phone},{BCRYPT}\n",
        f"\ufeff{ONE.phone.removeprefix('+')};{BCRYPT}\r\n;\r\n",
        f"Hash,Name,Phone\n{BCRYPT},A,{ONE.phone}\n",
        f"phone_number\tpassword_hash\n{ONE.phone}\t{BCRYPT}\n",
    ],
)
def test_hashes_of_people(tmp_path: Path, text: str) -> None:
    found, bad = read(tmp_path / "pins.csv", text)
    assert (found.of(ONE), found.of(TWO), bad) == (BCRYPT, None, [])


def test_hashes_of_the_older_scheme(tmp_path: Path) -> None:
    found, bad = read(tmp_path / "pins.csv", f"{ONE.phone},{FERNET}\n{TWO.phone},{BCRYPT}\n", "fernet")
    assert (found.of(ONE), found.of(TWO)) == (FERNET, None)
    assert bad == ["2: the hash is not a Fernet token, which begins with gAAAAA"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"{ONE.phone},8675", "the hash is not a bcrypt hash: $2b$, a cost of 04 to 31, $ and 53 characters"),
        (f"{ONE.phone},{FERNET}", "the hash is not a bcrypt hash"),
        (f"{ONE.phone},{BCRYPT[:-1]}", "the hash is not a bcrypt hash"),
        (f"{ONE.phone},{BCRYPT.replace('$08$', '$99$')}", "the hash is not a bcrypt hash"),
        (f"{ONE.phone},", "the hash is not a bcrypt hash"),
        (f"8675,{BCRYPT}", "`phone` is not a phone number, such as +254711000001"),
        (f"{TWO.phone},{BCRYPT}", "line 1 has a hash of the same person"),
        (ONE.phone, "has 1 value, expected a phone number and a hash"),
        (f"{ONE.phone},\xe9\0", "has the character U+0000"),
    ],
)
def test_what_is_no_hash_is_a_bad_row(tmp_path: Path, row: str, reason: str) -> None:
    found, (told,) = read(tmp_path / "pins.csv", f"{TWO.phone},{BCRYPT}\n{row}\n")
    assert told.startswith(f"2: {reason}")
    assert "8675" not in told
    assert (found.of(ONE), found.of(TWO)) == (None, BCRYPT)


def test_a_list_without_a_header_may_begin_with_a_bad_row(tmp_path: Path) -> None:
    _, bad = read(tmp_path / "pins.csv", f"{ONE.phone},8675\n{TWO.phone},{BCRYPT}\n")
    assert [line.partition(":")[0] for line in bad] == ["1"]


@pytest.mark.parametrize("text", ["", f"phone,name\n{ONE.phone},A\n", f"phone,hash,hash\n{ONE.phone},{BCRYPT},\n"])
def test_what_is_no_list_says_so(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidError, match=r"pins\.csv: (is empty|the header has not one column)"):
        read(tmp_path / "pins.csv", text)


def test_a_list_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match=r"pins\.from: .*nothing\.csv cannot be read"):
        HashTable(tmp_path / "nothing.csv", "bcrypt", region="KE", rejected=BadRecords())
