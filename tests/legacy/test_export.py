"""The data directory is the one that the old data-seeding tools left, byte for byte."""

import json
import os
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import InvalidError
from cicscenario.legacy.export import write_datadir
from cicscenario.people.person import Person
from tests.support.old_records import RECORDS

BLOXBERG = ChainSpec.parse("evm:byzantium:8996:bloxberg")
NEW = ["b5df94fc3b1a7f41d7ca3b63129e91d66bcc5b04", "dc9c18eed3c6c8b6574f6ad15bf95202367cb56e", None]
CHECKSUMMED = ["0xB5Df94FC3b1a7f41d7cA3b63129E91d66Bcc5B04", "0xDc9c18eEd3C6C8b6574F6Ad15bf95202367Cb56E"]
PHONES = ["+254159784771", "+254446186642", "+254948232636"]
KEYFILE = b'{"address": "b5df94fc3b1a7f41d7ca3b63129e91d66bcc5b04", "version": 3}'
TRANSACTIONS = [(bytes.fromhex("0822" * 16), bytes.fromhex("f8ab45")), (bytes.fromhex("04c0" * 16), b"\x02\x00")]


def old_address(source: str) -> str:
    address: str = json.loads(source)["identities"]["evm"]["foo"]["1:oldchain"][0]
    return address


PEOPLE = [
    Person.of(
        number,
        json.loads(source),
        phone=phone,
        language="sw",
        tags=("individual",),
        old_address=bytes.fromhex(old_address(source)),
        gift=gift,
        address=bytes.fromhex(address) if address else None,
    )
    for number, (source, phone, gift, address) in enumerate(zip(RECORDS, PHONES, (33, 43, 71), NEW, strict=True))
]


def identified(number: int) -> str:
    """A record as the old tools had it after the import."""
    source = RECORDS[number]
    old = f'["{old_address(source)}"]}}'
    return source.replace(old, f'{old}, "byzantium": {{"8996:bloxberg": ["{CHECKSUMMED[number]}"]}}', 1)


SOURCE_0 = "src/02/AC/02AC0F818271E7F2A19BFBCDD0D7AA3A2290CAA1"
SOURCE_1 = "src/25/6F/256F767794E85BF1FCB09E04DF26BE222DE0666C"
SOURCE_2 = "src/2A/78/2A78D6BF22A6D0D296895A5E2F53DCB849463569"
NEW_0 = "new/B5/DF/B5DF94FC3B1A7F41D7CA3B63129E91D66BCC5B04"
NEW_1 = "new/DC/9C/DC9C18EED3C6C8B6574F6AD15BF95202367CB56E"
PHONE_0 = "phone/5E/36/5E369B75DB9186E6B2BA34852D43D18DBBDF479EEE066906D0E15DE4B468C91F"
PHONE_1 = "phone/C8/1E/C81E2D7C1581CB8E40C94CD652DDDCA4F780A4D68BE84EA04063143BF7F72761"
PHONE_2 = "phone/C6/7F/C67F11374743667E32A01D0109CB3BCF721CAED75DE2960871686021A9A04F17"
CUSTOM_0 = "custom/7D/26/7D263280FF0356EB0A8E61F122F2B439516328BC49BF6627A301F61848376E22"
CUSTOM_1 = "custom/71/C0/71C0469A2D5D23909F5E9D5B20A541809540B5EBCCE67BB85BE3B8B54426A156"
KEYSTORE_0 = "keystore/B5/DF/B5DF94FC3B1A7F41D7CA3B63129E91D66BCC5B04"
TX_0 = "tx/08/22/" + "0822" * 16
TX_1 = "tx/04/C0/" + "04C0" * 16


def key(*paths: str) -> bytes:
    return b"".join(bytes.fromhex(path.rpartition("/")[2]) for path in paths)


FILES = {
    "balances.csv": b"02ac0f818271e7f2a19bfbcdd0d7aa3a2290caa1,33000000\n"
    b"256f767794e85bf1fcb09e04df26be222de0666c,43000000\n2a78d6bf22a6d0d296895a5e2f53dcb849463569,71000000\n",
    "tags.csv": b"02ac0f818271e7f2a19bfbcdd0d7aa3a2290caa1,individual\n"
    b"256f767794e85bf1fcb09e04df26be222de0666c,individual\n2a78d6bf22a6d0d296895a5e2f53dcb849463569,individual\n",
    SOURCE_0: RECORDS[0].encode(),
    SOURCE_1: RECORDS[1].encode(),
    SOURCE_2: RECORDS[2].encode(),
    NEW_0: identified(0).encode(),
    NEW_1: identified(1).encode(),
    PHONE_0: b"02ac0f818271e7f2a19bfbcdd0d7aa3a2290caa1",
    PHONE_1: b"256f767794e85bf1fcb09e04df26be222de0666c",
    PHONE_2: b"2a78d6bf22a6d0d296895a5e2f53dcb849463569",
    CUSTOM_0: b'{"tags": ["individual"]}',
    CUSTOM_1: b'{"tags": ["individual"]}',
    KEYSTORE_0: KEYFILE,
    TX_0: b"f8ab45",
    TX_1: b"0200",
    "src/.master": key(SOURCE_0, SOURCE_1, SOURCE_2),
    "new/.master": key(NEW_0, NEW_1),
    "phone/.master": key(PHONE_0, PHONE_1, PHONE_2),
    "custom/.master": key(CUSTOM_0, CUSTOM_1),
    "keystore/.master": key(KEYSTORE_0),
    "tx/.master": key(TX_0, TX_1),
    "meta/.master": b"",
    "custom/phone/.master": b"",
    "user_block/.master": b"",
}
LINKS = {
    **{f"{path}.json": path.rpartition("/")[2] for path in (SOURCE_0, SOURCE_1, SOURCE_2)},
    **{f"{path}.json": path.rpartition("/")[2] for path in (CUSTOM_0, CUSTOM_1, KEYSTORE_0)},
    "meta/b5df94fc3b1a7f41d7ca3b63129e91d66bcc5b04.json": f"../{NEW_0}",
    "meta/dc9c18eed3c6c8b6574f6ad15bf95202367cb56e.json": f"../{NEW_1}",
}


def keyfile(person: Person) -> bytes | None:
    return KEYFILE if person.id == 0 else None


def write(target: Path, people: Any = PEOPLE, transactions: Any = TRANSACTIONS) -> None:
    write_datadir(target, people, transactions, chain_spec=BLOXBERG, keyfile=keyfile)


def files(root: Path) -> dict[str, bytes]:
    found = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def links(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): str(path.readlink()) for path in root.rglob("*") if path.is_symlink()}


def test_three_people_are_written_byte_for_byte(tmp_path: Path) -> None:
    write(tmp_path / "data")
    assert files(tmp_path / "data") == FILES


def test_links_lead_to_the_files_wherever_the_directory_is_moved(tmp_path: Path) -> None:
    write(tmp_path / "data")
    moved = (tmp_path / "data").rename(tmp_path / "elsewhere")
    assert links(moved) == LINKS
    assert (moved / "meta" / f"{NEW[1]}.json").read_bytes() == FILES[NEW_1]
    assert all((moved / link).read_bytes() for link in LINKS)


def test_all_files_are_their_owners_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write(tmp_path / "data")
    finally:
        os.umask(before)
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in (tmp_path / "data").rglob("*")}
    assert modes == {True: 0o700, False: 0o600}
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_many_tags_share_a_line(tmp_path: Path) -> None:
    write(tmp_path / "data", [replace(PEOPLE[0], tags=("ussd", "individual"))])
    assert files(tmp_path / "data")["tags.csv"] == b"02ac0f818271e7f2a19bfbcdd0d7aa3a2290caa1,ussd,individual\n"
    assert files(tmp_path / "data")[CUSTOM_0] == b'{"tags": ["ussd", "individual"]}'


@pytest.mark.parametrize("content", ["a file in it", "a file"])
def test_what_is_there_is_never_touched(tmp_path: Path, content: str) -> None:
    target = tmp_path / "data"
    kept = target if content == "a file" else target / "kept"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("precious")
    with pytest.raises(InvalidError, match="data is not empty, or not a folder"):
        write(target)
    assert kept.read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_an_empty_folder_or_a_link_to_one_is_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    write(tmp_path / "link")
    assert files(tmp_path / "empty") == FILES
    assert (tmp_path / "link").is_symlink()


def test_parents_are_made(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "data")
    assert files(tmp_path / "a" / "b" / "data") == FILES


def test_a_failure_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    def people() -> Iterator[Person]:
        yield PEOPLE[0]
        raise OSError("the state is gone")

    with pytest.raises(OSError, match="the state is gone"):
        write(tmp_path / "data", people())
    assert list(tmp_path.iterdir()) == []


def test_the_target_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "data"

    def transactions() -> Iterator[tuple[bytes, bytes]]:
        assert not target.exists()
        yield from TRANSACTIONS
        assert not target.exists()

    write(target, transactions=transactions())
    assert files(target) == FILES


def test_memory_does_not_grow_with_the_people(tmp_path: Path) -> None:
    def people(count: int) -> Iterator[Person]:
        for number in range(count):
            old = number.to_bytes(20, "big")
            yield replace(PEOPLE[0], old_address=old, phone=f"+2547{number:08d}", address=None)

    def peak(count: int, name: str = "") -> int:
        tracemalloc.start()
        write(tmp_path / f"{count}{name}", people(count))
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(1)  # what is loaded at the first use is not of the people
    few = peak(50)
    # Twice: the interpreter's own table of path parts may double, once, while somebody measures.
    assert min(peak(1000, "a"), peak(1000, "b")) < few + 50_000


def test_an_account_is_spelled_as_its_maker_spells_it(tmp_path: Path) -> None:
    write(tmp_path / "data", [replace(PEOPLE[0], spelled=NEW[0])])
    exported = json.loads(files(tmp_path / "data")[NEW_0])
    assert exported["identities"]["evm"]["byzantium"]["8996:bloxberg"] == [NEW[0]]
