"""Documents, vCards and pointers are those that the stack knows: records of the old tools as literals."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import InvalidError
from cicscenario.people import pointer
from cicscenario.people.person import checksum, identified, validate
from cicscenario.people.vcard import Contact, decode, encode

#: As the old tools wrote it: before the import, and with its new address.
OLD = (
    '{"date_registered": 1705618357, "gender": "other", "identities": {"evm": {"foo": {"1:oldchain":'
    ' ["02ac0f818271e7f2a19bfbcdd0d7aa3a2290caa1"]}, "byzantium": {"8996:bloxberg":'
    ' ["0xB5Df94FC3b1a7f41d7cA3b63129E91d66Bcc5B04"]}}}, "location": {"area_name": "kabiro", "latitude":'
    ' 82.4643505794024, "longitude": -174.86111200698048}, "products": ["boutique"], "vcard":'
    ' "QkVHSU46VkNBUkQNClZFUlNJT046My4wDQpFTUFJTDphZHJpYW5hNjVAY3Jpc3RlYS5jb20NCkZOOkFkcmlhblwsIERhdWdoZXJ0eQ0KTjpE'
    'YXVnaGVydHk7QWRyaWFuOzs7DQpURUw7VFlQPUNFTEw6KzI1NDE1OTc4NDc3MQ0KRU5EOlZDQVJEDQo=", "date_of_birth": {"year": 1946}}'
)
BLOXBERG = ChainSpec.parse("evm:byzantium:8996:bloxberg")


def test_a_record_of_the_old_tools_is_a_person_document() -> None:
    document = json.loads(OLD)
    validate(document)
    assert decode(document["vcard"]) == Contact("Adrian", "Daugherty", "adriana65@cristea.com", "+254159784771")


def test_a_vcard_is_written_byte_for_byte_as_the_old_tools_did() -> None:
    vcard = json.loads(OLD)["vcard"]
    assert encode(decode(vcard)) == vcard


def test_the_new_address_is_written_as_the_old_tools_did() -> None:
    document = json.loads(OLD)
    before = json.loads(OLD)
    del before["identities"]["evm"]["byzantium"]
    after = identified(before, BLOXBERG, bytes.fromhex("b5df94fc3b1a7f41d7ca3b63129e91d66bcc5b04"))
    assert json.dumps(after) == OLD
    assert after == document
    assert "byzantium" not in before["identities"]["evm"]


NAMES = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=120)


@given(NAMES, NAMES)
def test_any_name_comes_back(given_name: str, family: str) -> None:
    contact = Contact(given_name, family, None, "+254700000000")
    assert decode(encode(contact)) == contact


def test_long_lines_are_folded_at_75_octets() -> None:
    text = base64.b64decode(encode(Contact("Ž" * 60, "Å" * 60, None, "+254700000000"))).decode()
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))


@pytest.mark.parametrize("vcard", ["", "%%%", "AAAA", base64.b64encode(b"BEGIN:VCARD\r\nEND:VCARD\r\n").decode()])
def test_what_is_not_a_vcard_says_so(vcard: str) -> None:
    with pytest.raises(InvalidError, match="vCard"):
        decode(vcard)


A = bytes.fromhex("c1912fee45d61c87cc5ea59dae31190fffff232d")


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
