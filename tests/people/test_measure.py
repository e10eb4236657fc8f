"""A profile that is measured has rounded counts only, and says nothing of groups that are too small."""

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cicscenario.errors import InvalidError
from cicscenario.people.measure import LEAST, OTHER, Measure, Surveyed
from cicscenario.resources import load_schema

DAY = "2020-05-12"


def measured(*people: Surveyed, day: str | None = DAY) -> dict[str, Any]:
    measure = Measure()
    for one in people:
        measure.add(one)
    document = measure.document("here", "counted", day)
    Draft202012Validator(load_schema("profile-v1")).validate(document)
    return document


def people(number: int, **traits: Any) -> list[Surveyed]:
    return [Surveyed(**traits)] * number


def test_groups_that_are_large_enough_are_counted() -> None:
    found = measured(
        *people(64, gender="female", occupation="Shop", product="soap", place="Miyani", language="sw", joined="2020-04-01"),
        *people(36, gender="male", occupation="Shop", product="salt", place="Kayaba", language="en", joined="2020-05-02"),
    )  # fmt: skip
    assert found["people"] == 100
    assert found["gender"] == {"female": 60, "male": 40}
    assert found["gender_by_occupation"] == {"Shop": {"female": 60, "male": 40}}
    assert found["products"] == {"Shop": {"soap": 60, "salt": 40}}
    assert found["places"] == {"Miyani": 60, "Kayaba": 40}
    assert found["languages_by_place"] == {"Miyani": {"sw": 60}, "Kayaba": {"en": 40}}
    assert found["joined"] == {"2020-04": 60, "2020-05": 40}
    assert "ages" not in found


def test_groups_that_are_too_small_are_counted_together() -> None:
    found = measured(*people(50, place="Miyani"), *(Surveyed(place=f"house {number}") for number in range(12)))
    assert found["places"] == {"Miyani": 50, OTHER: 10}


def test_a_few_people_are_left_out_and_no_difference_tells_of_them() -> None:
    found = measured(*people(52, place="Miyani", gender="female"), Surveyed(place="the only house", gender="male"))
    assert found["places"] == {"Miyani": 50}
    assert found["gender"] == {"female": 50}
    assert found["people"] == 50


def test_a_row_that_would_hide_many_is_left_out() -> None:
    found = measured(*people(30, place="Miyani", language="sw"), *people(9, place="Miyani", language="en"))
    assert found["languages"] == {"sw": 30}
    assert "languages_by_place" not in found


def test_a_small_month_is_counted_with_the_next_one() -> None:
    found = measured(
        *people(3, joined="2019-12-24"), *people(12, joined="2020-01-05"), *people(9, joined="2020-02"), day=DAY
    )
    assert found["joined"] == {"2020-01": 20}


def test_ages_are_those_of_the_day_of_the_figures() -> None:
    found = measured(
        *people(20, born=date(1990, 5, 12)), *people(20, born=date(1990, 5, 13)), *people(20, age=120), *people(20)
    )
    assert found["ages"] == {"20-29": 20, "30-39": 20, "110-120": 20, "unknown": 20}


def test_who_offers_nothing_offers_nothing_again() -> None:
    assert measured(*people(20, occupation="None"))["products"] == {"None": {}}


def test_the_day_of_the_figures_is_the_last_on_which_somebody_joined() -> None:
    found = measured(*people(20, joined="2020-04-01"), Surveyed(joined="2020-04-07"), day=None)
    assert found["measured"] == "2020-04-07"
    for joined in (None, "2020-04"):
        with pytest.raises(InvalidError, match="the day of the figures is not known") as caught:
            measured(*people(20, joined=joined), day=None)
        assert caught.value.hint == "give --measured DAY"


def test_too_few_people_are_no_profile() -> None:
    with pytest.raises(InvalidError, match="9 people: a profile of fewer than 10"):
        measured(*people(LEAST - 1))


TEXTS = st.one_of(st.none(), st.sampled_from(["a", "b", "c"]), st.text(max_size=4))
SURVEYED = st.builds(
    Surveyed,
    gender=st.sampled_from([None, "female", "male", "other", "neither"]),
    occupation=TEXTS,
    product=TEXTS,
    place=TEXTS,
    language=st.sampled_from([None, "sw", "en", "xx"]),
    age=st.one_of(st.none(), st.integers(-5, 300)),
    joined=st.sampled_from([None, "2019-01-31", "2019-02", "2020-05-12", "2021-01-01"]),
)


def counts(table: dict[str, Any]) -> list[int]:
    return [number for value in table.values() for number in (counts(value) if isinstance(value, dict) else [value])]


@given(st.lists(st.tuples(SURVEYED, st.integers(1, 25)), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_no_group_is_smaller_than_the_least(groups: list[tuple[Surveyed, int]]) -> None:
    everybody = [one for one, number in groups for _ in range(number)]
    if len(everybody) < LEAST:
        return
    found = measured(*everybody)
    tables = [value for value in found.values() if isinstance(value, dict)]
    assert all(number >= LEAST and number % LEAST == 0 for table in tables for number in counts(table))
    for table, known in (("places", [one.place for one in everybody]), ("gender", [one.gender for one in everybody])):
        small = {name for name, number in Counter(known).items() if number < LEAST}
        assert not small & (set(found.get(table, {})) - {OTHER})


def test_memory_is_that_of_the_groups(tmp_path: Path) -> None:
    import tracemalloc

    measure, one = Measure(), Surveyed(gender="female", place="Miyani", age=30, joined="2020-01-01")
    measure.add(one)
    tracemalloc.start()
    for _ in range(5_000):
        measure.add(one)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 20_000, "other threads of the test's process hold some; a reference to each would be twice as much"
