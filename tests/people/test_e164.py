"""A phone number is one text, however people write it."""

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cicscenario.errors import InvalidError
from cicscenario.people.e164 import e164
from cicscenario.people.phone import PhoneNumbers

NUMBER = "+254711000001"


@pytest.mark.parametrize(
    "text",
    [
        NUMBER,
        "+254 (0)711 000 001",
        "+254-711-000-001",
        "+254.711.000/001",
        "(+254) 711 000 001",
        "+2540711000001",
        "00254711000001",
        "00 254 711 000 001",
        "+00254711000001",
        "++254711000001",
        "\uff0b\uff12\uff15\uff14\uff17\uff11\uff11\uff10\uff10\uff10\uff10\uff10\uff11",
        "+\u0662\u0665\u0664\u0667\u0661\u0661\u0660\u0660\u0660\u0660\u0660\u0661",
        "tel:+254-711-000-001",
        "TEL:+254711000001;isub=1",
        "tel:0711000001;phone-context=+254",
        "\u202a+254\u00a0711\u2011000\u2212001\u202c",
        "+254\u200b711\u00ad000001\ufeff",
        " \t+254711000001\n",
    ],
)
def test_an_international_number_needs_no_region(text: str) -> None:
    assert e164(text) == NUMBER
    assert e164(text, "KE") == NUMBER
    assert e164(text, "US") == NUMBER


@pytest.mark.parametrize("text", ["0711 000 001", "711000001", "(0711) 000-001", "254711000001", "000254711000001"])
def test_a_national_number_is_one_of_the_region(text: str) -> None:
    assert e164(text, "KE") == NUMBER
    with pytest.raises(InvalidError, match=r"is not a phone number: expected E\.164"):
        e164(text)


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("011254711000001", "US", NUMBER),
        ("0011 254 711000001", "AU", NUMBER),
        ("+34 (0)612 345 678", None, "+34612345678"),
        ("+39 06 1234 5678", None, "+390612345678"),
        ("(202) 555-0123", "US", "+12025550123"),
        ("0159 784 771", "KE", "+254159784771"),  # of the old tools, whose numbers are not in use
        ("254159784771", "KE", "+254159784771"),
    ],
)
def test_other_countries_have_other_notations(text: str, region: str | None, number: str) -> None:
    assert e164(text, region) == number


@pytest.mark.parametrize(
    "text",
    [
        "", "+", "0", "+254", "+25471100000x", "+254711000001;ext=5", "tel:+254711000001;ext=5", "call 0711000001",
        "+254711000001, +254711000002", "+254 711 000 001 / +254 722 000 001", "+254711000001234", "+999999999999",
        "0711", "*483*46#", "+254711000001\0", "\ud800",
    ],
)  # fmt: skip
def test_what_is_not_one_phone_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="is not a phone number"):
        e164(text, "KE")


@settings(deadline=None)  # a loaded machine
@given(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS - {"TA"})), st.integers(0, 2**32))
def test_every_notation_of_a_generated_number_is_the_number(region: str, index: int) -> None:
    numbers = PhoneNumbers(1, region)
    made = numbers.number(index % numbers.space)
    parsed = phonenumbers.parse(made)
    for form in (1, 2, 3):  # international, national, RFC 3966
        written = phonenumbers.format_number(parsed, form)
        if phonenumbers.parse(written, region) == parsed:  # the library reads some of Gabon's as others than it wrote
            assert e164(written, region) == made


@settings(deadline=None)  # a loaded machine
@given(st.text(max_size=40), st.sampled_from([None, "KE", "US", "XX"]))
def test_any_text_is_a_number_or_refused(text: str, region: str | None) -> None:
    try:
        found = e164(text, region)
    except InvalidError:
        return
    assert e164(found) == found
