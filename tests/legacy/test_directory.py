"""A directory of the old data-seeding tools is read whole, as a population; every bad record of it is named."""

import base64
import json
import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cicscenario.errors import InvalidError
from cicscenario.legacy.badrecords import BadRecords
from cicscenario.legacy.directory import OldPopulation
from cicscenario.legacy.export import write_datadir
from cicscenario.legacy.hexfolder import HexFolder
from cicscenario.people import pointer
from cicscenario.people.generator import Generator
from cicscenario.people.person import identified
from tests.support.old_directory import (
    BLOXBERG,
    NAME,
    NEW,
    NEW_0,
    OLD,
    ORDER,
    PHONE,
    PHONES,
    SRC,
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
