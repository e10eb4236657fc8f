"""Phone numbers are valid for their region, and no two people share one."""

import random

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from cicscenario.errors import InvalidError
from cicscenario.people.phone import PhoneNumbers

KENYA = PhoneNumbers(7, "KE")
WITHOUT_MOBILES = {"TA"}  # Tristan da Cunha
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS - WITHOUT_MOBILES)


def problem(number: str, region: str) -> str | None:
    """Why the library would not have a number as a mobile one of this region."""
    parsed = phonenumbers.parse(number)
    if phonenumbers.format_number(parsed, PhoneNumberFormat.E164) != number:
        return "it is read as another number"
    if not phonenumbers.is_valid_number(parsed) or not phonenumbers.is_valid_number_for_region(parsed, region):
        return "it is not valid"
    kind = phonenumbers.number_type(parsed)
    return None if kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE) else f"its type is {kind}"


@pytest.mark.parametrize("region", REGIONS)
def test_every_region_has_valid_numbers_of_its_own(region: str) -> None:
    numbers = PhoneNumbers(1, region)
    draw = random.Random(region)
    indexes = [0, 1, numbers.space - 1, *(draw.randrange(numbers.space) for _ in range(20))]
    made = {index: numbers.number(index) for index in indexes}
    assert len(set(made.values())) == len(made)
    assert {number: problem(number, region) for number in made.values() if problem(number, region)} == {}


def test_a_number_of_another_kind_would_be_noticed() -> None:
    assert problem("+254202012345", "KE") == f"its type is {PhoneNumberType.FIXED_LINE}"
    assert problem("+254712345678", "UG") == "it is not valid"
    assert problem("+254838937052", "KE") == "it is not valid"


def test_kenyans_have_numbers_of_both_ranges() -> None:
    made = [KENYA.number(index) for index in range(1000)]
    assert {number[:5] for number in made} == {"+2547", "+2541"}
    assert {len(number) for number in made} == {13}


def test_everybody_in_a_region_can_be_called() -> None:
    numbers = PhoneNumbers(3, "AC")
    assert len({numbers.number(index) for index in range(numbers.space)}) == numbers.space


@given(st.integers(0, 2**64), st.lists(st.integers(0, KENYA.space - 1), unique=True, min_size=2, max_size=50))
def test_no_two_indexes_share_a_number(seed: int, indexes: list[int]) -> None:
    numbers = PhoneNumbers(seed, "KE")
    assert len({numbers.number(index) for index in indexes}) == len(indexes)


@pytest.mark.parametrize("region", ["KE", "DE", "AT", "ZA", "SH"])
def test_the_first_number_of_another_length_is_found(region: str) -> None:
    numbers = PhoneNumbers(5, region)
    made = [numbers.number(index) for index in range(200)]
    for digits in (range(10, 13), range(8, 9), range(1, 20)):
        wrong = [number for number in made if len(number) - 1 not in digits]
        assert numbers.first_beyond(digits, 200) == (wrong[0] if wrong else None)
        if wrong:
            assert numbers.first_beyond(digits, made.index(wrong[0])) is None


def test_another_seed_shuffles_otherwise() -> None:
    assert KENYA.number(0) != PhoneNumbers(8, "KE").number(0)


@pytest.mark.parametrize("beyond", [0, 1, 10**9])
def test_a_region_that_runs_out_says_so(beyond: int) -> None:
    numbers = PhoneNumbers(1, "FM")
    assert numbers.space == 649_400
    with pytest.raises(InvalidError, match="FM has 649,400 mobile phone numbers"):
        numbers.number(numbers.space + beyond)


@pytest.mark.parametrize("region", ["XX", "", "ke", "Kenya", "001", *WITHOUT_MOBILES])
def test_a_region_without_mobile_numbers_says_so(region: str) -> None:
    with pytest.raises(InvalidError, match="no mobile phone numbers are known"):
        PhoneNumbers(1, region)
