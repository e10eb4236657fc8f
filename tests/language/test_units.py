"""An amount with a unit: the hint is in the key's own unit, or has no number."""

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicscenario.language.amounts import amount
from cicscenario.language.remedies import meant
from cicscenario.language.schema import Schema, keys
from cicscenario.resources import load_schema

NUMBERS = [
    (f"{kind}: {key}", schema)
    for kind in ("scenario-v1", "environment-v1")
    for key, schema in keys(load_schema(kind)).items()
    if schema.get("type") in ("integer", "number")
]
OF = {
    "2 min": "seconds",
    "90s": "seconds",
    "1h": "seconds",
    "3000 ms": "seconds",
    "2 gwei": "wei",
    "90%": "share",
    "10 MiB": "bytes",
}


def any_number(value: Any, _: Schema) -> bool:
    return isinstance(value, int | float)


@pytest.mark.parametrize(("key", "schema"), NUMBERS, ids=[key for key, _ in NUMBERS])
def test_an_amount_in_another_unit_than_the_key_gets_no_number(key: str, schema: Schema) -> None:
    for text, unit in OF.items():
        hint = meant(text, text, schema, any_number)
        assert (hint is None) == (unit != schema.get("x-unit")), f"{text}: {hint}"


@pytest.mark.parametrize(("key", "schema"), NUMBERS, ids=[key for key, _ in NUMBERS])
def test_a_key_whose_description_names_a_unit_has_it(key: str, schema: Schema) -> None:
    measured = re.search(r"\b[Ss]econds\b|\bwei\b|\bshare of\b|\bbytes\b|\bwhole tokens\b", schema["description"])
    assert not measured or schema.get("x-unit"), schema["description"]


@pytest.mark.parametrize("text", ["50 GFT", "20 blocks", "2 per minute", "1 h 5 GFT"])
def test_what_is_counted_is_no_time(text: str) -> None:
    assert amount(text, "seconds") is None


@given(st.integers(0, 10**6), st.integers(0, 59), st.integers(0, 59))
def test_a_time_in_parts_is_their_sum(hours: int, minutes: int, seconds: int) -> None:
    assert amount(f"{hours} h {minutes} min {seconds} s", "seconds") == 3600 * hours + 60 * minutes + seconds
    assert amount(f"{hours}h{minutes}m", "seconds") == 3600 * hours + 60 * minutes


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("about 30 people", "people", 30),
        ("50 per person", "tokens", 50),
        ("2 dozen", "people", 24),
        ("5 gwei per gas", "wei", 5 * 10**9),
        ("50 per cent", "share", Decimal("0.5")),
        ("9000%", "share", 90),
    ],
)
def test_words_around_a_number(text: str, unit: str, number: Decimal) -> None:
    assert amount(text, unit) == number


def test_a_unit_that_is_written_is_believed_also_when_the_number_is_not_possible() -> None:
    schema = {"type": "number", "maximum": 100, "x-unit": "seconds"}
    assert meant("4000", "4000", schema, lambda value, _: value <= 100) == "4"  # milliseconds, as many programs have it
    assert meant("4000 s", "4000 s", schema, lambda value, _: value <= 100) is None
