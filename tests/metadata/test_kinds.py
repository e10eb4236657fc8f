"""Metadata entries are at the pointers, and have the values, that the real services give them."""

import json
from dataclasses import replace

import pytest

from cicscenario.capabilities.metadata import MetadataEntry
from cicscenario.chainspec import ChainSpec
from cicscenario.errors import UnavailableError
from cicscenario.metadata import all_kinds, person
from cicscenario.people.person import Person

SPEC = ChainSpec.parse("evm:byzantium:8996:bloxberg")
#: Pointers and values that cic-ussd was seen to write for this account.
ADDRESS = bytes.fromhex("446d13e337294871090432e6c6c6d8a732bb191c")


SOMEBODY = Person.of(
    0,
    {"identities": {"evm": {"foo": {"1:oldchain": ["aa" * 20]}}}, "gender": "female"},
    phone="+254711000001",
    language="en",
    tags=("ussd", "individual"),
    old_address=bytes(20),
    gift=0,
    address=ADDRESS,
)


def entry(kind: str) -> MetadataEntry:
    (found,) = (one for one in all_kinds() if one.name == kind)
    return found.of(SOMEBODY, SPEC)


@pytest.mark.parametrize(
    ("kind", "pointer", "value"),
    [
        (
            "preferences",
            "ca24b30d46d3837474e8c852f078735824d8db8f8c3bfd3424c44f9d86627146",
            {"preferred_language": "en"},
        ),
        (
            "phone",
            "15ee6c56e1c544bdbc990da1b5fd0d0da0b91adad2a2cb99183c616eca9536d2",
            "446d13e337294871090432e6c6c6d8a732bb191c",
        ),
        (
            "custom",
            "3c5814541fc41e1c05d4ea58cb6deb17a84c98a508302e029244cac19c5d9d87",
            {"tags": ["ussd", "individual"]},
        ),
    ],
)
def test_entries_are_those_that_cic_ussd_writes(kind: str, pointer: str, value: object) -> None:
    assert entry(kind) == MetadataEntry(bytes.fromhex(pointer), value)


def test_the_person_document_has_the_new_account_among_its_identities() -> None:
    made = entry("person")
    assert made.pointer.hex() == "c4752fc71a7cbfe2abc2544e32d2e536014adbe44db92fca924ce504c5a38513"
    identities = made.value["identities"]["evm"]
    assert identities["foo"] == {"1:oldchain": ["aa" * 20]}
    assert [address.lower() for address in identities["byzantium"]["8996:bloxberg"]] == [f"0x{ADDRESS.hex()}"]


def test_the_account_is_spelled_as_the_tool_that_made_it_does() -> None:
    for spelled in (ADDRESS.hex(), f"0x{ADDRESS.hex()}"):
        value = person.KIND.of(replace(SOMEBODY, spelled=spelled), SPEC).value
        assert value["identities"]["evm"]["byzantium"]["8996:bloxberg"] == [spelled]


@pytest.mark.parametrize("found", [ADDRESS.hex(), ADDRESS.hex().upper(), f"0x{ADDRESS.hex()}"])
def test_a_phone_pointer_may_be_written_in_any_case(found: str) -> None:
    assert entry("phone").problem(found) is None


@pytest.mark.parametrize("found", ["00" * 20, "", 7, {"tags": []}])
def test_anything_else_is_not_the_phone_pointer(found: object) -> None:
    problem = entry("phone").problem(found)
    assert problem
    assert json.dumps(found) in problem
    assert ADDRESS.hex() in problem


def test_an_entry_that_is_not_there_and_one_that_cannot_be_read_are_two_things() -> None:
    assert "no entry at 15ee6c56" in str(entry("phone").problem(None))
    assert entry("phone").problem(UnavailableError("the server answers 500")) == "the server answers 500"


def test_other_entries_are_compared_exactly() -> None:
    wanted = entry("custom")
    assert wanted.problem({"tags": ["ussd", "individual"]}) is None
    assert "differs in tags" in str(wanted.problem({"tags": ["individual", "ussd"]}))
    assert "differs in more, tags" in str(wanted.problem({"more": 1}))
    assert "differs in a" in str(MetadataEntry(bytes(32), {"a": 1}).problem({"a": True}))


def test_more_keys_are_named_and_where_writing_keeps_them_so_is_what_removes_them() -> None:
    found = {"tags": ["ussd", "individual"], "more": 1, "also": 2}
    assert str(entry("custom").problem(found)).endswith("has more keys than expected: also, more")
    assert "(also, more)" in str(entry("custom").problem(found, merges=True))
    assert "`meta.write: one-step`" in str(entry("custom").problem(found, merges=True))
