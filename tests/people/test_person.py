"""Documents, vCards and pointers are those that the stack knows: records of the old tools as literals."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import InvalidError
from cicscenario.people import pointer
from cicscenario.people.person import checksum, identified, unidentified, validate
from cicscenario.people.vcard import Contact, decode, encode
from cicscenario.resources import load_schema

#: As the old tools wrote it: before the import, and with its new address.
OLD = (
    '{"date_registered": 1705618357, "gender": "other", "identities": {"evm": {"foo": {"1:oldchain":'
    ' ["02ac0f818271e7f2a19bfbcdd0d7aa3a2290caa1"]}, "byzantium": {"8996:bloxberg":'
    ' ["0xB5Df94FC3b1a7f41d7cA3b63129E91d66Bcc5B04"]}}}, "location": {"area_name": "kabiro", "latitude":'
    ' 82.4643505794024, "longitude": -174.86111200698048}, "products": ["boutique"], "vcard":'
    ' "QkVHSU46VkNBUkQNClZFUlNJT046My4wDQpFTUFJTDphZHJpYW5hNjVAY3Jpc3RlYS5jb20NCkZOOkFkcmlhblwsIERhdWdoZXJ0eQ0KTjpE'
    'YXVnaGVydHk7QWRyaWFuOzs7DQpURUw7VFlQPUNFTEw6KzI1NDE1OTc4NDc3MQ0KRU5EOlZDQVJEDQo=", "date_of_birth": {"year": 1946}}'
)
A = bytes.fromhex("c1912fee45d61c87cc5ea59dae31190fffff232d")
BLOXBERG = ChainSpec.parse("evm:byzantium:8996:bloxberg")


#: Another, with a name that is not ASCII.
OTHER = (
    '{"date_registered": 1733381054, "gender": "other", "identities": {"evm": {"foo": {"1:oldchain":'
    ' ["256f767794e85bf1fcb09e04df26be222de0666c"]}, "byzantium": {"8996:bloxberg":'
    ' ["0xDc9c18eEd3C6C8b6574F6Ad15bf95202367Cb56E"]}}}, "location": {"area_name": "ruben", "latitude":'
    ' 18.823722274811487, "longitude": -1.192810747143966}, "products": ["teacher"], "vcard":'
    ' "QkVHSU46VkNBUkQNClZFUlNJT046My4wDQpFTUFJTDpsdWRvdmljYWRpYWNvbmVzY3VAZW5lLXN0YW5jdS5jb20NCkZOOkVyaWNhXCwgUHJlacOf'
    'DQpOOlByZWnDnztFcmljYTs7Ow0KVEVMO1RZUD1DRUxMOisyNTQ0NDYxODY2NDINCkVORDpWQ0FSRA0K", "date_of_birth": {"year": 2002}}'
)
RECORDS = pytest.mark.parametrize(
    ("record", "address", "contact"),
    [
        (
            OLD,
            "b5df94fc3b1a7f41d7ca3b63129e91d66bcc5b04",
            Contact("Adrian", "Daugherty", "adriana65@cristea.com", "+254159784771"),
        ),
        (
            OTHER,
            "dc9c18eed3c6c8b6574f6ad15bf95202367cb56e",
            Contact("Erica", "Preiß", "ludovicadiaconescu@ene-stancu.com", "+254446186642"),
        ),
    ],
    ids=["ascii", "not ascii"],
)


@RECORDS
def test_a_record_of_the_old_tools_is_a_person_document(record: str, address: str, contact: Contact) -> None:
    document = json.loads(record)
    validate(document)
    assert decode(document["vcard"]) == contact


@RECORDS
def test_a_vcard_is_written_byte_for_byte_as_the_old_tools_did(record: str, address: str, contact: Contact) -> None:
    assert encode(contact) == json.loads(record)["vcard"]


@RECORDS
def test_the_new_address_is_written_as_the_old_tools_did(record: str, address: str, contact: Contact) -> None:
    before = json.loads(record)
    del before["identities"]["evm"]["byzantium"]
    after = identified(before, BLOXBERG, bytes.fromhex(address))
    assert json.dumps(after) == record
    assert "byzantium" not in before["identities"]["evm"]
    assert identified(after, BLOXBERG, bytes.fromhex(address)) == after


def test_addresses_that_a_person_has_already_stay() -> None:
    document = json.loads(OLD)
    known = document["identities"]["evm"]["byzantium"]["8996:bloxberg"]
    after = identified(document, BLOXBERG, A)
    assert after["identities"]["evm"]["byzantium"]["8996:bloxberg"] == [*known, checksum(A)]
    elsewhere = identified(document, ChainSpec.parse("evm:london:1"), A)
    assert elsewhere["identities"]["evm"] == document["identities"]["evm"] | {"london": {"1": [checksum(A)]}}
    validate(elsewhere)


@pytest.mark.parametrize("form", [checksum(A), A.hex(), A.hex().upper(), f"0x{A.hex()}", f"0X{A.hex().upper()}"])
def test_an_address_that_is_there_in_any_form_is_not_added_again(form: str) -> None:
    """The old custodial importer wrote addresses in lower case without 0x, the sovereign one with checksum."""
    document = json.loads(OLD)
    document["identities"]["evm"]["byzantium"] = {"8996:bloxberg": [form]}
    assert json.dumps(identified(document, BLOXBERG, A)) == json.dumps(document)
    del document["identities"]["evm"]["byzantium"]
    document["identities"]["evm"]["byzantium"] = {"8996:bloxberg": [form]}
    before = json.loads(OLD)
    del before["identities"]["evm"]["byzantium"]
    assert json.dumps(unidentified(document, A)) == json.dumps(before)


def test_what_an_import_added_can_be_taken_away() -> None:
    document = json.loads(OLD)
    for chain in (BLOXBERG, ChainSpec.parse("evm:london:1"), ChainSpec.parse("other:a:1")):
        assert json.dumps(unidentified(identified(document, chain, A), A)) == json.dumps(document)


@pytest.mark.parametrize(
    "identities",
    [None, [], "x", {"evm": []}, {"evm": {"byzantium": ["12"]}}, {"evm": {"byzantium": {"8996:bloxberg": {}}}}],
)
def test_identities_of_another_form_are_refused(identities: object) -> None:
    with pytest.raises(InvalidError, match="its identities are not lists of addresses"):
        identified(json.loads(OLD) | {"identities": identities}, BLOXBERG, A)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"gender": "x"}, "gender"),
        ({"vcard": 5}, "vcard"),
        ({"date_registered": -1}, "date_registered"),
        ({"identities": {}}, "identities"),
        ({"identities": {"evm": {"foo": {"1:oldchain": ["12"]}}}}, r"identities\.evm\.foo\.1:oldchain\.0"),
        ({"location": {"area_name": "x", "latitude": 1}}, "location"),
        ({"location": {"area_name": "x", "latitude": 91, "longitude": 0}}, r"location\.latitude"),
        ({"date_of_birth": {"year": 1990, "month": 13, "day": 1}}, r"date_of_birth\.month"),
        ({"more": 1}, "the document"),
    ],
)
def test_a_document_that_is_not_one_is_refused_with_the_place(change: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidError, match=f"not a person document: {where}: "):
        validate(json.loads(OLD) | change)


@pytest.mark.parametrize("field", ["date_registered", "gender", "identities", "location", "products", "vcard"])
def test_a_document_that_lacks_a_field_is_refused(field: str) -> None:
    document = json.loads(OLD)
    del document[field]
    with pytest.raises(InvalidError, match=f"'{field}' is a required property"):
        validate(document)


def properties(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every named property in a JSON schema, at any depth."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        for value in schema.values():
            yield from properties(value)


def test_the_schema_is_sound_and_describes_every_property() -> None:
    schema = load_schema("person-v1")
    Draft202012Validator.check_schema(schema)
    found = list(properties(schema))
    assert len(found) == 14
    assert [name for name, held in found if not held.get("description")] == []


NAMES = st.text(st.characters(exclude_categories=("Cc", "Cs")) | st.sampled_from("\n\\;,"), min_size=1, max_size=120)


@given(NAMES, NAMES)
def test_any_name_comes_back(given_name: str, family: str) -> None:
    contact = Contact(given_name, family, None, "+254700000000")
    assert decode(encode(contact)) == contact


def plain(contact: Contact) -> list[str]:
    return base64.b64decode(encode(contact)).decode().split("\r\n")


def test_a_vcard_is_escaped_as_rfc_2426_says() -> None:
    assert plain(Contact("A,b;c", "d\\e\nf", "x@example.org", "+254700000000")) == [
        "BEGIN:VCARD",
        "VERSION:3.0",
        "EMAIL:x@example.org",
        r"FN:A\,b\;c\, d\\e\nf",
        r"N:d\\e\nf;A\,b\;c;;;",
        "TEL;TYP=CELL:+254700000000",
        "END:VCARD",
        "",
    ]


def test_long_lines_are_folded_at_75_octets() -> None:
    lines = plain(Contact("Ž" * 60, "Å" * 60, None, "+254700000000"))
    assert all(len(line.encode()) <= 75 for line in lines)
    assert lines[2:4] == ["FN:" + "Ž" * 36, " " + "Ž" * 24 + "\\, " + "Å" * 11]  # as vobject 0.9.9 has it


@pytest.mark.parametrize(
    "text",
    [
        "BEGIN:VCARD\nVERSION:3.0\nN:Preiß;Erica\nTEL:+254700000000\nEND:VCARD\n",
        "BEGIN:VCARD\r\nN:Preiß;Erica;;;\r\nitem1.TEL;TYPE=CELL,VOICE:+2547\r\n 00000000\r\nEND:VCARD\r\n",
        "begin:vcard\r\nn:Preiß;Erica;Maria;Dr.;\r\ntel;type=cell:+254700000000\r\ntel:+254711111111\r\nend:vcard\r\n",
    ],
    ids=["bare line ends", "grouped, folded, no e-mail", "lower case, two numbers"],
)
def test_vcards_of_other_programs_are_read(text: str) -> None:
    assert decode(base64.b64encode(text.encode()).decode()) == Contact("Erica", "Preiß", None, "+254700000000")


def test_a_fold_may_part_the_octets_of_one_character() -> None:
    raw = "BEGIN:VCARD\r\nN:Preiß;Erica;;;\r\nTEL:+254700000000\r\nEND:VCARD\r\n".encode().replace(
        b"\xc3", b"\xc3\r\n "
    )
    assert decode(base64.b64encode(raw).decode()).family == "Preiß"


@pytest.mark.parametrize("vcard", ["", "%%%", "AAAA", base64.b64encode(b"BEGIN:VCARD\r\nEND:VCARD\r\n").decode()])
def test_what_is_not_a_vcard_says_so(vcard: str) -> None:
    with pytest.raises(InvalidError, match="vCard"):
        decode(vcard)


def test_pointers_are_those_of_the_metadata_server() -> None:
    assert pointer.person(A).hex() == "a51472cb4df63b199a4de01335b1b4d1bbee27ff4f03340aa1d592f26c6acfe2"
    assert pointer.custom(A).hex() == "83cba4e38af1c40151eb4990ea8d5ec6bba9c63e1f976925c2c88f69f57334cd"
    assert pointer.preferences(A).hex() == "04e147a86c76cc375bb3d2e29eb718cb012e72a47ec18285bd228d47dcfd2339"
    assert pointer.phone("+254711223344").hex() == "b15da5237b9d939c63a954a730feaa2135deaf681d0c723f829dc213f2e625c1"


@pytest.mark.parametrize(
    "address",  # the examples of EIP-55
    [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_addresses_are_checksummed(address: str) -> None:
    assert checksum(bytes.fromhex(address[2:])) == address


@pytest.mark.parametrize("text", ["evm:byzantium:8996", "evm:byzantium:8996:bloxberg"])
def test_a_chain_spec_comes_back(text: str) -> None:
    assert str(ChainSpec.parse(text)) == text


@pytest.mark.parametrize("text", ["", "evm", "evm:byzantium", "evm:byzantium:x", "a:b:1:c:d", "evm::1"])
def test_what_is_not_a_chain_spec_says_so(text: str) -> None:
    with pytest.raises(InvalidError, match="not a chain spec"):
        ChainSpec.parse(text)
