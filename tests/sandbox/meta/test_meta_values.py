"""Values go in and come out as the real server's JavaScript has them, and merge as it merges them.

Literal answers here are those of crdt-meta 0.0.10 on Automerge 0.14.2 and Immutable.js 3.8, run for this.
"""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cicscenario.sandbox.meta import jsjson, transit
from cicscenario.sandbox.meta.document import Document
from cicscenario.sandbox.meta.signatures import Verdict
from tests.support.meta_inside import CRASHED, POINTER, Inside

#: Names that the server takes for its own: deleted from the data unless they are written again.
RESERVED = ("id", "timestamp", "data", "signature")
_KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6).filter(lambda key: key not in dir_of_object())
_SCALARS = st.one_of(
    st.text(st.characters(codec="utf-8")),
    st.booleans(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(-1e15, 1e15),  # greater ones read as the same doubles, which is tested by itself
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=12
)
_OBJECTS = st.dictionaries(_KEYS | st.sampled_from(RESERVED), _VALUES, max_size=10)
_QUICK = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def dir_of_object() -> tuple[str, ...]:
    return ("__proto__", "constructor", "toString", "valueOf", "hasOwnProperty", "isPrototypeOf")


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[..., Inside]]:
    made: list[Inside] = []

    def make(verdict: Verdict = Verdict.VALID) -> Inside:
        made.append(Inside(tmp_path / str(len(made)), verdict))
        return made[-1]

    yield make
    for inside in made:
        inside.store.close()


def stored(value: Any, *later: Any) -> Document:
    """The document after two-step writes of these values, one second apart, read from what is stored."""
    document = Document.create(POINTER, value, 1700000000)
    for seconds, one in enumerate(later, 1):
        document.sign({"digest": document.digest()})
        document = Document.load(document.payload())
        document.replace(one, 1700000000 + seconds)
    return Document.load(document.payload())


@_QUICK
@given(value=_VALUES)
def test_any_value_comes_back_as_it_was_written(value: Any) -> None:
    assert stored(value).field("data") == value


@_QUICK
@given(first=_OBJECTS, second=_OBJECTS)
def test_an_object_onto_an_object_replaces_the_keys_that_it_has(first: dict[str, Any], second: dict[str, Any]) -> None:
    kept = {key: value for key, value in first.items() if key not in RESERVED}
    assert stored(first, second).field("data") == kept | second


@_QUICK
@given(values=st.lists(_OBJECTS, min_size=1, max_size=4))
def test_what_is_stored_reads_and_writes_to_the_same_text(values: list[dict[str, Any]]) -> None:
    payload = stored(*values).payload()
    assert transit.write(transit.read(payload)) == payload


@pytest.mark.parametrize(
    ("stored", "written", "after"),
    [
        ("c19", "c19", CRASHED),
        ("c19", {"a": 1}, CRASHED),
        ("c19", [1], CRASHED),
        (42, {"a": 1}, CRASHED),
        ([1], [2], CRASHED),
        ([1], {}, CRASHED),
        ([1], 5, CRASHED),
        ({"a": 1}, {"": 1}, CRASHED),
        ({"a": 1}, None, CRASHED),
        ({"a": 1}, {"b": [None]}, CRASHED),
        ("c19", {}, "c19"),
        ("c19", "", "c19"),
        ("c19", 7, "c19"),
        ("c19", [], "c19"),
        ({"a": 1}, 7, {"a": 1}),
        ({"a": 1}, {}, {"a": 1}),
        ({"a": 1}, "hey", {"0": "h", "1": "e", "2": "y", "a": 1}),
        ({"a": 1}, [True], {"0": True, "a": 1}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"c": 3}}),
        ({"a": [1, 2, 3]}, {"a": [4]}, {"a": [4]}),
        ({"a": 1, "id": 2}, {"a": 1, "id": None}, {"a": 1}),  # a null, but gone again before it is written
    ],
    ids=str,
)
def test_what_a_second_two_step_write_does(stored: Any, written: Any, after: Any, fresh: Callable[..., Inside]) -> None:
    inside = fresh()
    inside.write(stored)
    assert inside.write(written) == (CRASHED if after == CRASHED else 200)
    assert inside.value() == (stored if after == CRASHED else after)


@pytest.mark.parametrize("value", [None, {"a": None}, [1, [None]], {"a": {"": 1}}], ids=str)
def test_a_null_or_an_empty_key_is_fatal_and_stores_nothing(value: Any, fresh: Callable[..., Inside]) -> None:
    inside = fresh()
    assert inside.post(value) == CRASHED
    assert inside.value() is None


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("[1e21, 1.5e-5, 1e-7, 1e-10]", "[1e+21,0.000015,1e-7,1e-10]"),
        (
            "[123456789012345678901, 9007199254740993, 1e16]",
            "[123456789012345680000,9007199254740992,10000000000000000]",
        ),
        ("[-0.0, 3.0, 0.1, 1.7976931348623157e308]", "[0,3,0.1,1.7976931348623157e+308]"),
        (r'"\u2028\u00e9\ud83d\u0007"', '"\u2028é\\ud83d\\u0007"'),
        ('{"b": 1, "10": 2, "9": 3, "01": 4}', '{"9":3,"10":2,"b":1,"01":4}'),
        ('{"a": 1, "a": 2, "__proto__": 3, "b": 4}', '{"a":2,"b":4}'),
        ('{"constructor": 1, "toString": 2, "b": 3}', '{"b":3}'),  # taken for keys assigned already
        ('{"b": 3, "constructor": 1}', '{"b":3,"constructor":1}'),  # the last one is seen first
    ],
)
def test_numbers_strings_and_keys_are_written_as_javascript_does(
    written: str, text: str, fresh: Callable[..., Inside]
) -> None:
    inside = fresh()
    built = inside.attempt("build", written)
    assert not isinstance(built, str)
    inside.put({"m": built.body, "s": "x"})
    assert inside.text() == text


@pytest.mark.parametrize(
    ("keys", "listed"),
    [
        ("z y x w v u t s", "z y x w v u t s"),
        ("z y x w v u t s r", "r s t u v w x y z"),
        ("k0 k1 k2 k3 k4 k5 k6 k7 k8 k9 k10 k11", "k0 k1 k2 k3 k4 k5 k10 k6 k11 k7 k8 k9"),
        (
            "date_registered gender identities location products vcard date_of_birth tags extra 10 9 é",
            "9 10 gender products vcard date_of_birth é extra date_registered location tags identities",
        ),
    ],
)
def test_more_than_eight_keys_come_back_in_the_order_of_their_hashes(
    keys: str, listed: str, fresh: Callable[..., Inside]
) -> None:
    inside = fresh()
    inside.write(dict.fromkeys(keys.split(), 1))
    assert list(inside.value()) == listed.split()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_written_so_that_it_reads_as_the_same_double(number: float) -> None:
    text = jsjson.dumps(jsjson.loads(repr(number)))
    assert math.isclose(float(text), number, rel_tol=0, abs_tol=0)
    assert "e-0" not in text


@pytest.mark.parametrize("text", ["NaN", "Infinity", "", "{", "'a'", "\ufeff1", "[1,]", "[" * 100_000])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(jsjson.NotJsonError):
        jsjson.loads(text.encode())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (5, 500),
        (None, 500),
        ({"m": "{}"}, 500),
        ({"s": {}}, 500),
        ({"m": {}, "s": {}}, 500),
        ({"m": "no", "s": {}}, 500),
        ({"m": "{}", "s": None}, 500),
        ({"m": 5, "s": {}}, 200),
        ({"m": "null", "s": {}}, 200),
        ({"m": '{"payload": "[]"}', "s": {}}, 200),
    ],
    ids=str,
)
def test_a_second_step_without_a_document_stores_nothing(body: Any, status: int, fresh: Callable[..., Inside]) -> None:
    inside = fresh()
    assert inside.put(body) == status
    assert inside.value() is None


@pytest.mark.parametrize("signature", ["text", 5, {}, [], {"data": 5}, {"data": "", "digest": "", "x": {"y": [1]}}])
def test_any_signature_is_stored_with_the_document(signature: Any, fresh: Callable[..., Inside]) -> None:
    inside = fresh(Verdict.INVALID)
    built = inside.post({"a": 1})
    assert not isinstance(built, str)
    assert inside.put({"m": built.body, "s": signature}) == 200
    assert inside.value() == {"a": 1}


def test_a_crash_after_an_invalid_signature_comes_after_the_answer(fresh: Callable[..., Inside]) -> None:
    for verdict, expected in ((Verdict.VALID, CRASHED), (Verdict.INVALID, 200)):
        inside = fresh(verdict)
        built = inside.post({"a": 1})
        assert not isinstance(built, str)
        assert inside.put({"m": built.body, "s": {"algo": None}}) == expected
        assert inside.value() is None


def test_a_second_step_overwrites_what_came_between(fresh: Callable[..., Inside]) -> None:
    inside = fresh()
    first, second = inside.post({"a": 1}), inside.post({"b": 2})
    assert not isinstance(first, str)
    assert not isinstance(second, str)
    for built in (first, second):
        inside.put({"m": built.body, "s": "x"})
    assert inside.value() == {"b": 2}


def test_the_time_is_noted_at_each_merge(fresh: Callable[..., Inside]) -> None:
    inside = fresh()
    inside.write({"a": 1})
    inside.now += 7
    built = inside.post({"a": 2})
    assert not isinstance(built, str)
    payload = json.loads(built.body)["payload"]
    assert payload.count('"timestamp","value",1700000000') == 1
    assert payload.count('"timestamp","value",1700000007') == 1
