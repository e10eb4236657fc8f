"""A directory of the old data-seeding tools is read whole, as a population; every bad record of it is named."""

import base64
import csv
import json
import os
import shutil
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import InvalidError
from cicscenario.legacy.badrecords import BadRecords
from cicscenario.legacy.directory import OldPopulation
from cicscenario.legacy.export import write_datadir
from cicscenario.legacy.hexfolder import HexFolder
from cicscenario.people import pointer
from cicscenario.people.generator import Generator
from cicscenario.people.person import identified
from tests.support.old_records import RECORDS

#: Whose records they are, and where the first two were imported to.
OLD = [
    "02ac0f818271e7f2a19bfbcdd0d7aa3a2290caa1",
    "256f767794e85bf1fcb09e04df26be222de0666c",
    "2a78d6bf22a6d0d296895a5e2f53dcb849463569",
]
NEW = ["0xB5Df94FC3b1a7f41d7cA3b63129E91d66Bcc5B04", "0xDc9c18eEd3C6C8b6574F6Ad15bf95202367Cb56E"]
PHONES = ["+254159784771", "+254446186642", "+254948232636"]
ORDER = [2, 0, 1]  # in which they were generated
BLOXBERG = ChainSpec.parse("evm:byzantium:8996:bloxberg")


def place(folder: Path, key: str, suffix: str = "") -> Path:
    name = key.upper().removeprefix("0X")
    path = folder / name[:2] / name[2:4] / f"{name}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def source(folder: Path, number: int) -> Path:
    return place(folder / "src", OLD[number])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory as the tools of 2022 left it, in the middle of an import."""
    data = tmp_path / "out"
    for number in ORDER:
        path = source(data, number)
        path.write_text(RECORDS[number])
        path.with_name(f"{path.name}.json").symlink_to(f"/elsewhere/{path.name}")  # absolute, and since moved
        place(data / "phone", pointer.phone(PHONES[number]).hex()).write_text(OLD[number])
    for number, new in enumerate(NEW):
        document = json.loads(RECORDS[number])
        document["identities"]["evm"]["byzantium"] = {"8996:bloxberg": [new]}
        place(data / "new", new).write_text(json.dumps(document))
    (data / "src" / ".master").write_bytes(bytes.fromhex("".join(OLD[number] for number in ORDER)))
    (data / "balances.csv").write_text("".join(f"{OLD[n]},{(n + 1) * 11_000_000}\n" for n in ORDER))
    (data / "tags.csv").write_text(f"{OLD[2]},ussd,individual\n{OLD[0]},individual\n")
    return data


def test_people_are_read_in_the_order_in_which_they_were_generated(folder: Path) -> None:
    population = OldPopulation(folder)
    assert population.size == 3
    people = [population.person(index) for index in range(3)]
    assert [person.old_address.hex() for person in people] == [OLD[number] for number in ORDER]
    assert [json.dumps(person.document) for person in people] == [RECORDS[number] for number in ORDER]
    assert [person.phone for person in people] == [PHONES[number] for number in ORDER]
    assert [person.gift for person in people] == [33, 11, 22]
    assert [person.tags for person in people] == [("ussd", "individual"), ("individual",), ()]
    assert [person.language for person in people] == ["sw", "sw", "sw"]
    assert [account and account.hex() for account in map(population.account, range(3))] == [
        None, NEW[0][2:].lower(), NEW[1][2:].lower(),
    ]  # fmt: skip
    assert [person.id for person in people] == [0, 1, 2]
    assert population.person(1) == people[1]


def test_without_a_master_list_the_order_is_that_of_the_names(folder: Path) -> None:
    (folder / "src" / ".master").unlink()
    population = OldPopulation(folder)
    assert [population.person(index).old_address.hex() for index in range(3)] == OLD


def test_who_is_missing_from_the_master_list_comes_last(folder: Path) -> None:
    (folder / "src" / ".master").write_bytes(bytes.fromhex(OLD[2] + OLD[2]))
    population = OldPopulation(folder)
    assert [population.person(index).old_address.hex() for index in range(3)] == [OLD[2], OLD[0], OLD[1]]


@pytest.mark.parametrize("index", [-1, 3])
def test_there_is_nobody_beyond(folder: Path, index: int) -> None:
    with pytest.raises(InvalidError, match="has 3 people: there is no person"):
        OldPopulation(folder).person(index)


def test_what_export_writes_is_read_back(tmp_path: Path) -> None:
    generator = Generator(
        seed=5, locales=["en_US"], region="KE", languages=[("sw", 1)], tags=["a", "b"], gift_threshold=200
    )
    people = [generator.person(index) for index in range(30)]
    write_datadir(
        tmp_path / "data",
        [replace(p, address=bytes([p.id + 1] * 20)) for p in people],
        [],
        chain_spec=BLOXBERG,
    )
    population = OldPopulation(tmp_path / "data")
    assert population.size == 30
    for index, person in enumerate(people):
        old = population.person(index)
        assert (old.document, old.phone, old.language, old.tags, old.old_address, old.gift) == (
            person.document, person.phone, person.language, person.tags, person.old_address, person.gift,
        )  # fmt: skip
        assert population.account(index) == bytes([index + 1] * 20)


def test_a_directory_of_2021_is_read(tmp_path: Path) -> None:
    """No products, flat identities, an empty date of birth, coordinates beyond the earth, 0x everywhere, a colon."""
    checksummed = "0x02Ac0F818271E7F2a19BFBCdD0D7aa3A2290CAA1"
    document: dict[str, Any] = json.loads(RECORDS[0])
    del document["products"]
    document |= {
        "identities": {"evm": {"oldchain:1": [checksummed]}},
        "location": {"area_name": "Mombasa", "latitude": 90.6, "longitude": 180.2},
        "date_of_birth": {},
    }
    place(tmp_path / "old", OLD[0], ".json").write_text(json.dumps(document))
    place(tmp_path / "ussd", OLD[0], "_ussd_data.json").write_text(
        json.dumps({"phone": PHONES[0], "is_activated": 1, "preferred_language": "en", "is_disabled": False})
    )
    place(tmp_path / "phone", pointer.phone(PHONES[0]).hex()).write_text(checksummed)
    (tmp_path / "balances.csv").write_text(f"{checksummed},11000000\n")
    (tmp_path / "tags.csv").write_text(f"{checksummed}:ussd,individual\n")
    person = OldPopulation(tmp_path).person(0)
    assert person.document == document
    assert (person.language, person.tags, person.gift) == ("en", ("ussd", "individual"), 11)
    assert person.old_address.hex() == OLD[0]


# Languages


def test_languages_are_those_of_preferences_json(folder: Path) -> None:
    (folder / "preferences.json").write_text(json.dumps(dict(zip(PHONES, ["en", "kam", None], strict=True))))
    population = OldPopulation(folder)
    assert [population.person(index).language for index in range(3)] == ["sw", "en", "kam"]


def test_languages_are_those_of_ussd_data_csv(folder: Path) -> None:
    lines = zip(PHONES, ["en", "kam", "sw"], strict=True)
    (folder / "ussd_data.csv").write_text("".join(f"{phone}, 1, {language}, False\n" for phone, language in lines))
    population = OldPopulation(folder)
    assert [population.person(index).language for index in range(3)] == ["sw", "en", "kam"]


def test_languages_are_those_of_the_folder_ussd_flat_too(folder: Path) -> None:
    (folder / "ussd").mkdir()
    for old, phone in zip(OLD, PHONES, strict=True):
        (folder / "ussd" / f"{old}.json").write_text(json.dumps({"phone": phone, "preferred_language": "kik"}))
    assert {OldPopulation(folder).person(index).language for index in range(3)} == {"kik"}


# Balances


def test_broken_tokens_are_named(folder: Path) -> None:
    path = folder / "balances.csv"
    path.write_text(path.read_text().replace("11000000", "11000001"))
    with pytest.raises(InvalidError, match=r"balances\.csv:2: the balance 11000001 is not a whole number of tokens"):
        OldPopulation(folder)


# What is wrong: each is named with its file, and none is passed over


def edit(path: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / path).write_text(change((folder / path).read_text()))

    return apply


def record(number: int, **changes: Any) -> Callable[[Path], None]:
    """Changes fields of a person's file; None removes one."""

    def apply(folder: Path) -> None:
        document = json.loads(RECORDS[number]) | changes
        source(folder, number).write_text(json.dumps({k: v for k, v in document.items() if v is not None}))

    return apply


def added(path: str, content: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)

    return apply


NAME = "02AC0F818271E7F2A19BFBCDD0D7AA3A2290CAA1"
SRC = f"src/02/AC/{NAME}"
POINTER = pointer.phone(PHONES[0]).hex().upper()
PHONE = f"phone/{POINTER[:2]}/{POINTER[2:4]}/{POINTER}"
NEW_0 = f"new/B5/DF/{NEW[0][2:].upper()}"
STRANGER = "11" * 20


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (added(SRC, "{"), [f"{SRC}: is not JSON"]),
        (added(SRC, '{"a": NaN}'), [f"{SRC}: is not JSON"]),
        (added(SRC, "[" * 100_000), [f"{SRC}: is not JSON"]),
        (added(SRC, "[]"), [f"{SRC}: not a person document: the document"]),
        (lambda f: (f / SRC).write_bytes(b'"\xff"'), [f"{SRC}: is not JSON in UTF-8"]),
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


def test_hidden_files_are_not_people(folder: Path) -> None:
    (folder / "src" / "02" / ".DS_Store").write_bytes(b"\0")
    assert OldPopulation(folder).size == 3


def test_names_in_lower_case_are_found_too(tmp_path: Path) -> None:
    path = tmp_path / "02" / "ac" / OLD[0]
    path.parent.mkdir(parents=True)
    path.touch()
    findings = BadRecords()
    held = HexFolder(tmp_path, 20)
    assert held.keys(findings) == [bytes.fromhex(OLD[0])]
    assert held.path_of(bytes.fromhex(OLD[0])) == path
    assert findings.count == 0


def test_memory_does_not_grow_with_documents(tmp_path: Path) -> None:
    """A thousand documents of 10 kB each stay on disk."""
    document = json.loads(RECORDS[2])
    vcard = "BEGIN:VCARD\nN:a;b\nTEL:+2547{:08}\nEND:VCARD\n"
    keys = [f"{number:040}" for number in range(1000)]
    for number, key in enumerate(keys):
        document["vcard"] = base64.b64encode(vcard.format(number).encode()).decode()
        document["identities"] = {"evm": {"foo": {"1:oldchain": [key]}}}
        document["products"] = ["x" * 10_000]
        place(tmp_path / "src", key).write_text(json.dumps(document))
    (tmp_path / "balances.csv").write_text("".join(f"{key},5000000\n" for key in keys))
    tracemalloc.start()
    try:
        population = OldPopulation(tmp_path)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert population.size == 1000
    assert kept < 300_000
    assert peak < 2_000_000
    shutil.rmtree(tmp_path / "src")


# Accounts that an import made


@pytest.mark.parametrize("form", [NEW[0], NEW[0][2:].lower()], ids=["sovereign importer", "custodial importer"])
def test_the_document_of_an_imported_person_is_the_one_that_the_import_wrote(folder: Path, form: str) -> None:
    document = json.loads(RECORDS[0])
    document["identities"]["evm"]["byzantium"] = {"8996:bloxberg": [form]}
    written = json.dumps(document | {"more": 1.50})
    (folder / NEW_0).write_text(written)
    population = OldPopulation(folder, imported=True)
    assert population.person(1).document_json == written
    account = population.account(1)
    assert account is not None
    assert json.dumps(identified(population.person(1).document, BLOXBERG, account)) == written
    assert population.person(0).document_json == RECORDS[2], "who was not imported"
    assert OldPopulation(folder).person(1).document_json == RECORDS[0], "an import that starts anew"


def test_an_imported_document_that_is_no_person_document_is_named(folder: Path) -> None:
    (folder / NEW_0).write_text(json.dumps({"identities": [OLD[0], NEW[0]]}))
    with pytest.raises(InvalidError, match=rf"{NEW_0}: not a person document"):
        OldPopulation(folder, imported=True)
    OldPopulation(folder)


# Two notations of one number


def vcard(phone: str) -> str:
    text = f"BEGIN:VCARD\nVERSION:3.0\nFN:A\nN:B;A;;;\nTEL;TYP=CELL:{phone}\nEND:VCARD\n"
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "notation",
    [
        "+254 (0)159 784 771",
        "0159-784-771",
        "00254159784771",
        "254159784771",
        "tel:+254-159-784-771",
        "\u202a+254\u00a0159784771\u202c",
    ],
)
def test_two_notations_of_one_number_are_one_person(folder: Path, notation: str) -> None:
    shutil.rmtree(folder / "phone")
    record(1, vcard=vcard(notation))(folder)
    with pytest.raises(InvalidError, match=r"the phone number \+254159784771 \(.*\) is also that of 02ac0f81"):
        OldPopulation(folder, region="KE")
    population = OldPopulation(folder, region="KE", skip=True)
    assert [population.person(n).phone for n in range(population.size)] == [PHONES[2], PHONES[0]]


def test_a_notation_has_the_pointer_of_its_text_or_of_the_number(folder: Path) -> None:
    record(0, vcard=vcard("+254 (0)159 784 771"))(folder)
    assert OldPopulation(folder).person(1).phone == PHONES[0]
    (folder / PHONE).unlink()
    place(folder / "phone", pointer.phone("+254 (0)159 784 771").hex()).write_text(OLD[0])
    assert OldPopulation(folder).person(1).phone == PHONES[0]


def test_preferences_by_two_notations_of_one_number_are_named(folder: Path) -> None:
    languages = dict.fromkeys(PHONES, "en") | {"0159 784 771": "en"}
    (folder / "preferences.json").write_text(json.dumps(languages))
    with pytest.raises(InvalidError, match=r"preferences\.json: has two entries for the phone number \+254159784771"):
        OldPopulation(folder, region="KE")


# Directories as people leave them


def test_a_directory_is_read_as_people_leave_it(folder: Path) -> None:
    """Byte order marks, other line ends, blank lines, quotes, nulls, other cases, and what editors leave behind."""
    for name in ("balances.csv", "tags.csv"):
        text = (folder / name).read_text().replace("\n", "\r\n\r\n")
        (folder / name).write_bytes(b"\xef\xbb\xbf" + text.encode() + b" \t\r\n,\r\n")
    (folder / "tags.csv").write_text((folder / "tags.csv").read_text().replace("ussd,individual", '"ussd,individual"'))
    (folder / SRC).rename(folder / f"src/02/AC/0x{OLD[0]}")
    (folder / f"src/02/AC/{NAME}.json").unlink()
    document = json.loads(RECORDS[1])
    nulls = {"gender": None, "products": None, "date_of_birth": None, "location": {"area_name": "x", "latitude": None}}
    source(folder, 1).write_bytes(b"\xef\xbb\xbf" + json.dumps(document | nulls).encode())
    for left in (
        ".DS_Store",
        "02/._AC",
        f"02/AC/{NAME}~",
        f"02/AC/{NAME}.bak",
        f"02/AC/#{NAME}#",
        "02/AC/.x.swp",
        "Thumbs.db",
    ):
        (folder / "src" / left).write_bytes(b"\0")
    (folder / "src" / ".git" / "11").mkdir(parents=True)
    (folder / "src" / "AA" / "BB").mkdir(parents=True)
    (folder / "balances.csv").write_text((folder / "balances.csv").read_text() + f"{OLD[0].upper()},11000000\n")
    population = OldPopulation(folder)
    assert [population.person(index).old_address.hex() for index in range(3)] == [OLD[number] for number in ORDER]
    assert [population.gift(index) for index in range(3)] == [33, 11, 22]
    assert [population.person(index).tags for index in range(3)] == [("ussd", "individual"), ("individual",), ()]
    assert population.person(2).document == {key: value for key, value in document.items() if key not in nulls} | {
        "location": {"area_name": "x"}
    }
    assert population.rejected.count == 0


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
