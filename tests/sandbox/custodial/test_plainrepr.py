"""The text of a task's arguments is the one that Celery writes."""

from typing import Any

from celery.utils.saferepr import saferepr
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cicscenario.sandbox.custodial.plainrepr import plain_repr

_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=5)
VALUES = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(VALUES, st.integers(1, 80))
@settings(max_examples=100, deadline=None)
@example((["0x00"], {"arch": "evm", "custom": []}, "it's", None), 1024)
@example(([[[["deep"]]]], {"a": {"b": {"c": {"d": 1}}}}), 1024)
@example(("four",), 9)
@example(("four",), 8)
@example((["a", "b", "c", "d", "e"],), 15)
def test_it_is_what_celery_writes(value: Any, longest: int) -> None:
    assert plain_repr(value, longest) == saferepr(value, longest)
