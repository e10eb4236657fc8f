"""One seed, the same people, byte for byte: in any order, any batch size, any process."""

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cicscenario.errors import InvalidError
from cicscenario.people.generator import TODAY, Generator
from cicscenario.people.person import validate
from cicscenario.people.vcard import decode

OPTIONS: dict[str, Any] = {
    "seed": 20220129,
    "locales": ["sl", "en_US", "no", "de", "ro"],
    "region": "KE",
    "languages": [("en", 1), ("sw", 1)],
    "tags": ["individual"],
    "gift_threshold": 200,
}
#: sha256 over the JSON of people 0 to 999, a line each. Scenarios in use mean these people: a change is never an accident.
THOUSAND = "3f60d4d7acb6302e276ceb07e1a4da0fa68c8523b193b6080231a9d631441231"
#: Document, phone, language, tags, old address and gift of people 0, 1 and 2.
FIRST_THREE = [
    (
        '[{"date_registered": 1636199620, "gender": "female", "identities": {"evm": {"foo": {"1:oldchain": ["0de2'
        'd60bc70c37ee3c0474e5574393bc382a22a9"]}}}, "location": {"area_name": "kisauni"}, "products": ["teacher"]'
        ', "vcard": "QkVHSU46VkNBUkQNClZFUlNJT046My4wDQpFTUFJTDpmY3Jpc3RlYUBleGFtcGxlLm5ldA0KRk46TG9yZW5hXCwgQXJk'
        'ZWxlYW4NCk46QXJkZWxlYW47TG9yZW5hOzs7DQpURUw7VFlQPUNFTEw6KzI1NDc5MTMyMDcyOA0KRU5EOlZDQVJEDQo="}, "+254791'
        '320728", "en", ["individual"], "0de2d60bc70c37ee3c0474e5574393bc382a22a9", 179]'
    ),
    (
        '[{"date_registered": 1619942876, "gender": "other", "identities": {"evm": {"foo": {"1:oldchain": ["f723d'
        '565b1fcfa70d8946ac41e270a88f0f1d263"]}}}, "location": {"area_name": "ruben", "latitude": -46.61031366954'
        '637, "longitude": 149.52442645058426}, "products": ["fruit"], "vcard": "QkVHSU46VkNBUkQNClZFUlNJT046My4w'
        "DQpFTUFJTDpkZXJlazAxQGV4YW1wbGUub3JnDQpGTjpUaGVvZG9yZVwsIENvbGxpbnMNCk46Q29sbGlucztUaGVvZG9yZTs7Ow0KVEVM"
        'O1RZUD1DRUxMOisyNTQ3NDAwNjAyMTkNCkVORDpWQ0FSRA0K"}, "+254740060219", "sw", ["individual"], "f723d565b1fc'
        'fa70d8946ac41e270a88f0f1d263", 184]'
    ),
    (
        '[{"date_registered": 1566272225, "gender": "male", "identities": {"evm": {"foo": {"1:oldchain": ["b290f5'
        'e2eb8ea6926b54ba6fac71b4590a98dc39"]}}}, "location": {"area_name": "ruben"}, "products": ["oil"], "vcard'
        '": "QkVHSU46VkNBUkQNClZFUlNJT046My4wDQpFTUFJTDpsaW5uNjNAZXhhbXBsZS5uZXQNCkZOOkhlbGVuZVwsIEpha29ic2VuDQpO'
        'Okpha29ic2VuO0hlbGVuZTs7Ow0KVEVMO1RZUD1DRUxMOisyNTQxNDU3OTk3MTANCkVORDpWQ0FSRA0K", "date_of_birth": {"ye'
        'ar": 1947}}, "+254145799710", "sw", ["individual"], "b290f5e2eb8ea6926b54ba6fac71b4590a98dc39", 190]'
    ),
]


def generator(**changes: Any) -> Generator:
    return Generator(**OPTIONS | changes)


@cache
def usual() -> Generator:
    return generator()


def text(people: Generator, index: int) -> str:
    p = people.person(index)
    return json.dumps([p.document, p.phone, p.language, p.tags, p.old_address.hex(), p.gift])


def texts(people: Generator, indexes: Iterable[int]) -> dict[int, str]:
    return {index: text(people, index) for index in indexes}


def digest(people: Generator) -> str:
    return hashlib.sha256("\n".join(texts(people, range(1000)).values()).encode()).hexdigest()


@cache
def straight() -> dict[int, str]:
    """The first fifty people, asked for one after the other."""
    return texts(generator(), range(50))


def test_the_first_three_are_who_they_always_were() -> None:
    assert list(texts(usual(), range(3)).values()) == FIRST_THREE


def test_a_thousand_people_are_who_they_always_were() -> None:
    assert digest(usual()) == THOUSAND


@pytest.mark.parametrize(("hash_seed", "zone"), [("1", "UTC"), ("2", "Africa/Nairobi")])
def test_another_process_elsewhere_makes_the_same_people(hash_seed: str, zone: str) -> None:
    code = "import test_generator as t; print(t.digest(t.generator()))"
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONHASHSEED": hash_seed, "TZ": zone, "LC_ALL": "C", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == THOUSAND, done.stderr


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(50)), st.integers(1, 50))
def test_neither_order_nor_batch_size_matters(order: list[int], size: int) -> None:
    batches = [order[start : start + size] for start in range(0, 50, size)]
    made: dict[int, str] = {}
    for batch in batches:
        made |= texts(usual(), batch)
    assert made == straight()


def test_threads_may_share_a_generator() -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda index: text(usual(), index % 50), range(1000)))
    assert made == list(straight().values()) * 20


def test_the_global_source_of_random_numbers_is_neither_used_nor_moved() -> None:
    random.seed(1)
    before = random.getstate()
    assert texts(usual(), range(50)) == straight()
    assert random.getstate() == before


def test_other_gifts_and_languages_leave_documents_and_numbers_alone() -> None:
    other = generator(gift_threshold=5, languages=[("luo", 1)])
    for index in range(50):
        one, another = usual().person(index), other.person(index)
        assert (one.document, one.phone) == (another.document, another.phone)


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"locales": ["ja_JP"]}, {"region": "UG"}, {"tags": ["x"]}, {"languages": [("luo", 1)]}]
)
def test_every_other_option_makes_other_people(change: dict[str, Any]) -> None:
    other = generator(**change)
    assert all(text(other, index) != straight()[index] for index in range(50))


def test_every_document_is_a_person_document() -> None:
    for index in range(500):
        person = usual().person(index)
        validate(person.document)
        assert decode(person.document["vcard"]).phone == person.phone
        assert person.document["identities"] == {"evm": {"foo": {"1:oldchain": [person.old_address.hex()]}}}


@pytest.mark.parametrize("locale", ["nl_NL", "ta_IN", "ja_JP", "ar_SA", "el_GR"])  # commas and semicolons in names too
def test_any_alphabet_makes_valid_vcards(locale: str) -> None:
    people = generator(locales=[locale])
    for index in range(100):
        document = people.person(index).document
        validate(document)
        contact = decode(document["vcard"])
        assert contact.given.strip()
        assert contact.family.strip()


def test_no_mail_address_can_be_anybodys() -> None:
    addresses = [decode(usual().person(index).document["vcard"]).email for index in range(300)]
    domains = {str(address).partition("@")[2] for address in addresses}
    assert domains == {"example.com", "example.net", "example.org"}


def test_dates_lie_before_a_fixed_day() -> None:
    assert datetime(2022, 1, 29, tzinfo=UTC) == TODAY
    born = []
    for index in range(2000):
        document = usual().person(index).document
        registered = datetime.fromtimestamp(document["date_registered"], UTC)
        assert TODAY - timedelta(weeks=150) < registered <= TODAY
        if "date_of_birth" in document:
            born.append(document["date_of_birth"])
    assert all(TODAY.year - 115 <= date["year"] <= TODAY.year - 15 for date in born)
    assert 850 < len(born) < 1150
    assert 400 < sum("month" in date for date in born) < 600


def test_gifts_are_uniform_whole_tokens() -> None:
    people = generator(gift_threshold=4)
    gifts = [people.gift(index) for index in range(2000)]
    assert set(gifts) == {0, 1, 2, 3, 4}
    assert all(300 < gifts.count(value) < 500 for value in range(5))
    assert [people.person(index).gift for index in range(20)] == gifts[:20]
    nothing = generator(gift_threshold=0)
    assert {nothing.gift(index) for index in range(50)} == {0}


def test_languages_come_by_weight() -> None:
    people = generator(languages=[("en", 3), ("sw", 1)])
    spoken = [people.person(index).language for index in range(1000)]
    assert 690 < spoken.count("en") < 810
    assert spoken.count("en") + spoken.count("sw") == 1000


def test_an_unknown_locale_is_named() -> None:
    with pytest.raises(InvalidError, match="xx_YY"):
        generator(locales=["en_US", "xx_YY"])


def test_an_unknown_region_is_named() -> None:
    with pytest.raises(InvalidError, match="'XX'"):
        generator(region="XX")
