"""Every bad record of an old data directory is named with its file; with `skip`, the other people go on."""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cicscenario.errors import InvalidError
from cicscenario.legacy.badrecords import BadRecords
from cicscenario.legacy.directory import OldPopulation
from tests.support.old_directory import (
    NAME,
    NEW,
    NEW_0,
    OLD,
    PHONE,
    PHONES,
    SRC,
    STRANGER,
    added,
    edit,
    old_directory,
    place,
    record,
    source,
    vcard,
)
from tests.support.old_records import RECORDS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return old_directory(tmp_path / "out")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (added(SRC, "{"), [f"{SRC}: is not JSON"]),
        (added(SRC, '{"a": NaN}'), [f"{SRC}: is not JSON"]),
        (added(SRC, "[" * 100_000), [f"{SRC}: is nested more than 100 levels deep"]),
        (added(SRC, "[]"), [f"{SRC}: not a person document: the document"]),
        (lambda f: (f / SRC).write_bytes(b'"\xff"'), [f"{SRC}: is not JSON (no UTF-8 text)"]),
        (record(0, gender=None), [f"{SRC}: not a person document: the document: 'gender' is a required"]),
        (record(0, gender=5), [f"{SRC}: not a person document: gender"]),
        (record(0, date_registered="x"), [f"{SRC}: not a person document: date_registered"]),
        (
            record(0, location={"area_name": "x", "latitude": "", "longitude": 2}),
            [f"{SRC}: not a person document: location.lat"],
        ),
        (record(0, date_of_birth={"year": 1}), [f"{SRC}: not a person document: date_of_birth.year"]),
        (record(0, vcard=None), [f"{SRC}: not a person document: the document: 'vcard' is a required"]),
        (record(0, vcard="AAAA"), [f"{SRC}: the vCard has no"]),
        (
            record(0, vcard="QkVHSU46VkNBUkQKTjphO2IKVEVMOjA3MTEKRU5EOlZDQVJECg=="),
            [f"{SRC}: '0711' is not a phone number: expected E.164"],
        ),
        (record(0, identities={"evm": {}}), [f"{SRC}: its identities do not have the address of its file name"]),
        (
            record(0, vcard=json.loads(RECORDS[1])["vcard"]),
            [
                f"the phone number {PHONES[1]} is also that of {OLD[0]}",
                f"leads to '{OLD[1]}', but {PHONES[1]} is that of {OLD[0]}",
                f"{PHONE}: is not the phone pointer of a person",
            ],
        ),
        (added(f"src/11/11/{NAME}", RECORDS[0]), [f"src/11/11/{NAME}: it belongs in folder 02/AC"]),
        (added("src/note.txt", ""), ["src/note.txt: its name is not 40 hexadecimal digits"]),
        (lambda f: (f / "src" / ".master").write_bytes(b"123"), ["src/.master: is not a list of keys of 20 bytes"]),
        (
            lambda f: (f / "src" / ".master").write_bytes(bytes.fromhex(STRANGER)),
            [f"src/.master: lists {STRANGER}, which has no file"],
        ),
        (
            edit("balances.csv", lambda t: t + f"{STRANGER},5000000\n"),
            [f"balances.csv:4: {STRANGER} is not a person of `src`"],
        ),
        (
            edit("balances.csv", lambda t: t + f"{OLD[0]},5000000\n"),
            ["balances.csv:4: a line above has a balance of the same"],
        ),
        (edit("balances.csv", lambda t: t + "x,5\n"), ["balances.csv:4: expected an address and a value: 'x,5'"]),
        (edit("balances.csv", lambda t: t + "x\n"), ["balances.csv:4: expected an address and a value: 'x'"]),
        (
            edit("balances.csv", lambda t: t.replace("11000000", "-1")),
            ["balances.csv:2: the balance '-1' is not a number"],
        ),
        (
            edit("balances.csv", lambda t: t.replace("11000000", "1" * 5000)),
            ["is larger than 18446744073709551615"],
        ),
        (
            edit("balances.csv", lambda t: "".join(t.splitlines(True)[:2])),
            ["256F767794E85BF1FCB09E04DF26BE222DE0666C: the"],
        ),
        (lambda f: (f / "balances.csv").unlink(), ["balances.csv: there is no such file"]),
        (
            lambda f: (f / "balances.csv").write_bytes(b"\xff"),
            ["balances.csv:1: is not UTF-8 text: byte 0xff", *["the person has no balance"] * 3],
        ),
        (edit("tags.csv", lambda t: t + f"{STRANGER},x\n"), [f"tags.csv:3: {STRANGER} is not a person of `src`"]),
        (edit("tags.csv", lambda t: t + f"{OLD[0]},x\n"), ["tags.csv:3: a line above has tags of the same person"]),
        (added(PHONE, STRANGER), [f"{PHONE}: leads to '{STRANGER}', but {PHONES[0]} is that of {OLD[0]}"]),
        (lambda f: (f / PHONE).unlink(), [f"{PHONE}: cannot be read: the phone pointer of {OLD[0]}"]),
        (added(f"phone/AA/AA/{'AA' * 32}", OLD[0]), [f"phone/AA/AA/{'AA' * 32}: is not the phone pointer of a person"]),
        (added("preferences.json", "{"), ["preferences.json: is not JSON"]),
        (added("preferences.json", "[]"), ["preferences.json: expected an object"]),
        (
            added("preferences.json", json.dumps({PHONES[0]: "en", PHONES[1]: "sw"})),
            [f"preferences.json has no language of {PHONES[2]}"],
        ),
        (
            added("preferences.json", json.dumps(dict.fromkeys([*PHONES, "+254700000000"], "en"))),
            ["preferences.json: +254700000000 is not a person of `src`"],
        ),
        (
            added("preferences.json", json.dumps(dict.fromkeys(PHONES, "en") | {PHONES[0]: 5})),
            [
                f"preferences.json: {PHONES[0]}: the language is 5",
                f"preferences.json has no language of {PHONES[0]}",
            ],
        ),
        (
            added("ussd_data.csv", f"{PHONES[0]}, 7, en, False\n"),
            ["ussd_data.csv:1: activated is '7'", *["ussd_data.csv has no language of"] * 3],
        ),
        (
            added(f"ussd/{OLD[0]}.json", json.dumps({"phone": PHONES[1], "preferred_language": "en"})),
            ["it is not of", *["_ussd_data.json: cannot be read"] * 2],
        ),
        (added(NEW_0, "{"), [f"{NEW_0}: is not JSON"]),
        (added(NEW_0, RECORDS[0]), [f"{NEW_0}: its identities do not have the address of its file name"]),
        (
            added(NEW_0, json.dumps({"identities": {"evm": [NEW[0]]}})),
            [f"{NEW_0}: none of its identities is a person of `src`"],
        ),
        (added(NEW_0, json.dumps({"identities": [NEW[0], *OLD[:2]]})), [f"{NEW_0}: its identities are of two people"]),
        (
            added(f"new/11/11/{STRANGER}", json.dumps({"identities": [OLD[0], STRANGER]})),
            ["the same person also has the new address 1111111111111111111111111111111111111111"],
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_file(
    folder: Path, damage: Callable[[Path], None], expected: list[str]
) -> None:
    damage(folder)
    with pytest.raises(InvalidError) as caught:
        OldPopulation(folder)
    first, *lines = caught.value.message.splitlines()
    assert first.startswith(f"data directory {folder} has ")
    assert all(line.startswith(f"  {folder}/") for line in lines)
    assert len(lines) == len(expected)
    for part in expected:
        assert part in caught.value.message


def test_all_bad_records_are_told_in_one_error(folder: Path) -> None:
    for number in range(3):
        source(folder, number).write_text("{")
    for number in range(40):
        place(folder / "src", f"{number:040}").write_text("[]")
    with pytest.raises(InvalidError) as caught:
        OldPopulation(folder)
    lines = caught.value.message.splitlines()
    assert lines[0] == f"data directory {folder} has 83 bad records:"  # 43 documents, 40 balances
    assert len(lines) == 22
    assert lines[-1] == "  and 63 more"


@pytest.mark.parametrize("content", ["nothing", "an empty src", "a file"])
def test_what_is_no_data_directory_says_so(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x"
    if content == "an empty src":
        (path / "src").mkdir(parents=True)
        (path / "balances.csv").touch()
    elif content == "a file":
        path.touch()
    with pytest.raises(InvalidError, match=r"has no folder `src`|has no people in it"):
        OldPopulation(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "is no longer a person document"),
        (RECORDS[1], "its identities do not have the address"),
    ],
)
def test_a_file_that_changes_later_is_named_then(folder: Path, content: str, message: str) -> None:
    population = OldPopulation(folder)
    source(folder, 0).write_text(content)
    assert population.person(0).old_address.hex() == OLD[2]
    with pytest.raises(InvalidError, match=f"{SRC}: {message}"):
        population.person(1)


# With `skip`, the others go on


@pytest.mark.parametrize(
    ("damage", "left"),
    [
        (added(SRC, "{"), [33, 22]),
        (added(SRC, RECORDS[0][:-1]), [33, 22]),
        (lambda f: (f / SRC).unlink(), [33, 22]),
        (lambda f: (f / SRC).write_bytes(RECORDS[0].encode().replace(b"kabiro", b"caf\xe9")), [33, 22]),
        (record(0, vcard="AAAA"), [33, 22]),
        (record(0, vcard=vcard("call me")), [33, 22]),
        (record(0, location={"area_name": "a\0b"}), [33, 22]),
        (record(0, identities={"evm": [OLD[0]]}), [33, 22]),
        (record(0, identities={"evm": {"byzantium": [OLD[0]]}}), [33, 22]),
        (record(0, identities={"evm": {"foo": {"1:oldchain": OLD[0]}}}), [33, 22]),
        (record(0, identities={"evm": {"foo": {"1:oldchain": [OLD[0], 5]}}}), [33, 22]),
        (edit("balances.csv", lambda t: t.replace("11000000", "-1")), [33, 22]),
        (edit("balances.csv", lambda t: t.replace("11000000", "1.1E+07")), [33, 22]),
        (edit("balances.csv", lambda t: t.replace("11000000", "")), [33, 22]),
        (edit("balances.csv", lambda t: t + f"{OLD[0]},5000000\n"), [33, 22]),
        (edit("balances.csv", lambda t: t + f"{STRANGER},5000000\nabc\n"), [33, 11, 22]),
        (edit("tags.csv", lambda t: t + f"{OLD[0]},x\n"), [33, 22]),
        (added(f"src/02/AC/{OLD[0]}", "{}"), [33, 22]),
        (added("src/note.txt", ""), [33, 11, 22]),
        (lambda f: (f / "src/02/AC" / STRANGER).mkdir(), [33, 11, 22]),
        (added(NEW_0, "{"), [33, 11, 22]),
    ],
)
def test_the_others_go_on(folder: Path, tmp_path: Path, damage: Callable[[Path], None], left: list[int]) -> None:
    damage(folder)
    with pytest.raises(InvalidError):
        OldPopulation(folder)
    population = OldPopulation(folder, skip=True)
    assert [population.gift(index) for index in range(population.size)] == left
    assert [population.person(index).gift for index in range(population.size)] == left
    assert population.account(population.size - 1) == bytes.fromhex(NEW[1][2:])
    population.rejected.write(tmp_path / "rejected.csv")
    with (tmp_path / "rejected.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == population.rejected.count > 0
    assert all(row["file"].startswith(str(folder)) and row["reason"] for row in rows)


def test_every_bad_record_is_written_down(tmp_path: Path) -> None:
    bad = BadRecords()
    for number in range(1, 101):
        bad.add(Path("a.csv"), f'is "no, {number}"', line=number)
    bad.write(tmp_path / "rejected.csv")
    bad.add(Path("b\udcff"), "is \ud800")
    bad.write(tmp_path / "rejected.csv")
    with (tmp_path / "rejected.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[:2] == [["file", "line", "reason"], ["a.csv", "1", 'is "no, 1"']]
    assert rows[100:] == [["a.csv", "100", 'is "no, 100"'], ["b\\udcff", "", "is \\ud800"]]


def test_nobody_is_left_out_when_a_whole_list_cannot_be_read(folder: Path) -> None:
    (folder / "preferences.json").write_text("{")
    with pytest.raises(InvalidError, match=r"preferences\.json: is not JSON"):
        OldPopulation(folder, skip=True)


def test_a_directory_that_has_nobody_left_says_why(folder: Path) -> None:
    (folder / "balances.csv").write_text("")
    with pytest.raises(InvalidError, match=r"nobody left: it has 3 bad records"):
        OldPopulation(folder, skip=True)


def test_a_pipe_among_the_people_is_not_waited_for(folder: Path) -> None:
    (folder / SRC).unlink()
    os.mkfifo(folder / SRC)
    assert OldPopulation(folder, skip=True).size == 2


def test_the_list_of_bad_records_holds_no_formula(tmp_path: Path) -> None:
    """It is for people, who open it with a spreadsheet; what is in it comes from somebody's data."""
    bad = BadRecords()
    for text in ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "a\x1b[2Jb"):
        bad.add(Path(f"={text}"), text, line=1)
    bad.write(tmp_path / "rejected.csv")
    with (tmp_path / "rejected.csv").open(newline="") as file:
        _, *rows = csv.reader(file)
    assert len(rows) == 6
    assert not [value for row in rows for value in row if value.startswith(("=", "+", "-", "@", "\t", "\r", "\x1b"))]
    assert "\x1b" not in (tmp_path / "rejected.csv").read_text()
