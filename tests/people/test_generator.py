"""One seed, the same people, byte for byte: in any order, any batch size, any process."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicscenario.errors import InvalidError
from cicscenario.people.generator import Generator
from cicscenario.people.person import validate
from cicscenario.people.phone import PhoneNumbers
from cicscenario.people.vcard import decode

OPTIONS: dict[str, Any] = {
    "seed": 20220129,
    "locales": ["sl", "en_US", "no", "de", "ro"],
    "region": "KE",
    "languages": [("en", 1), ("sw", 1)],
    "tags": ["individual"],
    "gift_threshold": 200,
}
#: sha256 over the JSON of people 0 to 999. It changes only with the language of scenarios, never by accident.
THOUSAND = "baff46aa1ddbcda2dbaaeffaa4aa724dc20dcec1f388a58323274b14311003be"
FIRST = (
    '[{"date_registered": 1636199620, "gender": "female", "identities": {"evm": {"foo": {"1:oldchain": ["'
    '0de2d60bc70c37ee3c0474e5574393bc382a22a9"]}}}, "location": {"area_name": "kisauni"}, "products": ["m'
    'ilk"], "vcard": "QkVHSU46VkNBUkQNClZFUlNJT046My4wDQpFTUFJTDpmY3Jpc3RlYUBleGFtcGxlLm5ldA0KRk46TG9yZW5'
    "hXCwgQXJkZWxlYW4NCk46QXJkZWxlYW47TG9yZW5hOzs7DQpURUw7VFlQPUNFTEw6KzI1NDc2ODE2MDM2NA0KRU5EOlZDQVJEDQo"
    '="}, "+254768160364", "en", ["individual"], 179]'
)


def generator(**changes: Any) -> Generator:
    return Generator(**OPTIONS | changes)


def text(generator: Generator, index: int) -> str:
    person = generator.person(index)
    return json.dumps([person.document, person.phone, person.language, person.tags, person.gift])


def digest() -> str:
    people = generator()
    return hashlib.sha256("\n".join(text(people, index) for index in range(1000)).encode()).hexdigest()


def test_the_first_person_is_who_they_always_were() -> None:
    assert text(generator(), 0) == FIRST


def test_a_thousand_people_are_who_they_always_were() -> None:
    assert digest() == THOUSAND


def test_another_process_on_another_day_makes_the_same_people() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_generator; print(test_generator.digest())"
    for seed, zone in (("1", "UTC"), ("2", "Africa/Nairobi")):
        done = subprocess.run(
            [sys.executable, "-c", code, str(Path(__file__).parent)],
            env=os.environ | {"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C"},
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == THOUSAND, done.stderr


PEOPLE = generator()
STRAIGHT = {index: text(generator(), index) for index in range(30)}


@given(st.permutations(range(30)))
def test_the_order_of_asking_does_not_matter(order: list[int]) -> None:
    assert {i: text(PEOPLE, i) for i in order} == STRAIGHT


def test_other_gifts_and_languages_leave_names_and_numbers_alone() -> None:
    one, other = generator(), generator(gift_threshold=5, languages=[("luo", 1)])
    for index in range(50):
        assert one.person(index).document == other.person(index).document
        assert one.person(index).phone == other.person(index).phone


def test_another_seed_makes_other_people() -> None:
    one, other = generator(), generator(seed=1)
    assert not {text(one, i) for i in range(100)} & {text(other, i) for i in range(100)}


def test_every_document_is_a_person_document() -> None:
    people = generator()
    for index in range(500):
        person = people.person(index)
        validate(person.document)
        assert decode(person.document["vcard"]).phone == person.phone


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"gender": "x"}, "gender"),
        ({"vcard": 5}, "vcard"),
        ({"identities": {}}, "identities"),
        ({"location": {"area_name": "x", "latitude": 1}}, "location"),
        ({"more": 1}, "the document"),
    ],
)
def test_a_document_that_is_not_one_is_named(change: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidError, match=where):
        validate(generator().person(0).document | change)


def test_gifts_are_uniform_whole_tokens() -> None:
    people = generator(gift_threshold=4)
    gifts = [people.gift(index) for index in range(2000)]
    assert set(gifts) == {0, 1, 2, 3, 4}
    assert all(300 < gifts.count(value) < 500 for value in range(5))
    nothing = generator(gift_threshold=0)
    assert {nothing.gift(index) for index in range(50)} == {0}


def test_phone_numbers_are_unique_and_valid() -> None:
    numbers = PhoneNumbers(7, "KE")
    made = {numbers.number(index) for index in range(20_000)}
    assert len(made) == 20_000
    for number in list(made)[:2000]:
        assert phonenumbers.is_valid_number_for_region(phonenumbers.parse(number), "KE")
        assert number.startswith("+2547")
        assert len(number) == 13


@pytest.mark.parametrize("region", ["KE", "NO", "DE", "US", "SI", "RO", "UG", "TZ", "FR"])
def test_any_region_has_numbers_of_its_own(region: str) -> None:
    numbers = PhoneNumbers(1, region)
    made = [numbers.number(index) for index in range(500)]
    assert len(set(made)) == 500
    assert all(phonenumbers.is_valid_number_for_region(phonenumbers.parse(n), region) for n in made)


@given(st.integers(0, 2**64), st.lists(st.integers(0, 10**8 - 1), unique=True, min_size=2, max_size=50))
def test_no_two_indexes_share_a_number(seed: int, indexes: list[int]) -> None:
    numbers = PhoneNumbers(seed, "KE")
    assert len({numbers.number(index) for index in indexes}) == len(indexes)


def test_a_region_that_runs_out_says_so() -> None:
    numbers = PhoneNumbers(1, "FM")
    with pytest.raises(InvalidError, match="would get none"):
        numbers.number(numbers.space)


def test_an_unknown_region_says_so() -> None:
    with pytest.raises(InvalidError, match="XX"):
        PhoneNumbers(1, "XX")
