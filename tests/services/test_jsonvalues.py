"""What would kill the metadata server, or come back as something else, is refused with its place."""

from typing import Any

import pytest

from cicscenario.errors import InvalidError
from cicscenario.services.jsonvalues import contains, refuse_unfit, same

DEEP: Any = 1
for _ in range(101):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "the value is null"),
        ({"a": [1, {"b": None}]}, r"a\[1\]\.b is null"),
        ({"": 1}, "the value has the key ''"),
        ({"a": {"": 1}}, "a has the key ''"),
        ({"__proto__": 1}, "the value has the key '__proto__'"),
        ({1: 2}, "has a key that is not text: 1"),
        (2**53, r"the value is an integer of 2\^53 or more"),
        ([-(2**53)], r"\[0\] is an integer of 2\^53 or more"),
        (float("nan"), "not a finite number"),
        ({"x": float("inf")}, "x is not a finite number"),
        ("\ud800", "not Unicode text"),
        ({"\ud800": 1}, "has a key that is not Unicode text"),
        ({"x": {1, 2}}, "x is of type set"),
        ({"x": b"1"}, "x is of type bytes"),
        (DEEP, "nested more than 100 levels deep"),
    ],
)
def test_what_the_server_cannot_keep_is_refused(value: Any, message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        refuse_unfit(value)


@pytest.mark.parametrize(
    "value",
    [0, 2**53 - 1, -(2**53) + 1, 1.5, 1e300, True, "", "ß~^", [], {}, [[]], {"a": {"b": [1, "x", False]}}, (1, 2)],
)
def test_everything_else_is_not(value: Any) -> None:
    refuse_unfit(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ([1, "x"], (1, "x")),
        ("", ""),
        (True, True),
        ({}, {}),
        (0.0, -0.0),
    ],
)
def test_the_same_json_is_the_same(one: Any, other: Any) -> None:
    assert same(one, other)
    assert same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True), (0, False), ("1", 1), ([1], [1, 2]), ([1, 2], [2, 1]), ({"a": 1}, {"a": True}), ({"a": 1}, {}),
        ({}, []), ("", None), ({"a": [1]}, {"a": [True]}), ("a", "A"), ([], ""),
    ],
)  # fmt: skip
def test_other_json_is_not(one: Any, other: Any) -> None:
    assert not same(one, other)
    assert not same(other, one)


def test_a_merged_object_contains_what_was_given() -> None:
    assert contains({"a": 1, "b": [2]}, {"b": [2]})
    assert contains({"a": 1}, {})
    assert not contains({"a": 1}, {"a": True})
    assert not contains({"a": {"x": 1, "y": 2}}, {"a": {"x": 1}})
    assert not contains("text", {})
