"""A number plan holds exactly the strings that its regular expression matches, each once, in order."""

import re
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cicscenario.numberplan import NumberPlan

ATOMS = st.sampled_from([r"\d", "1", "2", "[12]", "[0-3]", "[13-57]"])
REPEATS = st.sampled_from(["", "", "?", "{2}", "{1,2}", "{0,1}"])


def longer(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    group = st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})")
    return st.lists(st.tuples(group | ATOMS, REPEATS).map("".join), min_size=1, max_size=2).map("".join)


PATTERNS = st.recursive(ATOMS, longer, max_leaves=6)


@settings(deadline=None)
@given(PATTERNS, st.sets(st.integers(0, 4), min_size=1))
def test_a_plan_is_what_its_pattern_matches(pattern: str, lengths: set[int]) -> None:
    plan = NumberPlan(pattern, lengths)
    strings = ("".join(digits) for length in sorted(lengths) for digits in product("0123456789", repeat=length))
    assert [plan.number(rank) for rank in range(plan.size)] == [s for s in strings if re.fullmatch(pattern, s)]


@settings(deadline=None)
@given(PATTERNS, st.sets(st.integers(0, 4), min_size=1))
def test_the_lengths_are_those_of_the_strings(pattern: str, lengths: set[int]) -> None:
    plan = NumberPlan(pattern, lengths)
    found = [length for length, ranks in plan.lengths() for _ in ranks]
    assert found == [len(plan.number(rank)) for rank in range(plan.size)]


def test_strings_that_match_in_two_ways_count_once() -> None:
    plan = NumberPlan(r"(?:1|[12]|1\d?)\d?", [1, 2])
    assert plan.size == 2 + 20
    assert plan.number(0) == "1"
    assert plan.number(21) == "29"


@pytest.mark.parametrize(
    "pattern", ["1+", r"\d*", r"(?!1)\d", "1.", "a", "[^1]", "(?:1", "1)", "(1|2)", "?1", r"\d{2}?"]
)
def test_other_expressions_are_refused_rather_than_misread(pattern: str) -> None:
    with pytest.raises(ValueError, match="not a pattern of digits"):
        NumberPlan(pattern, [2])
