"""JSON from outside is bounded, and has only what JSON has."""

import base64
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cicscenario.jsontext import DEEPEST, JsonTextError, parse_json
from cicscenario.services.custodial.broker import task_id
from cicscenario.services.custodial.results import parse as parse_record
from cicscenario.services.custodial.workers import _queues
from cicscenario.services.metahttp import MetaReply

DEEP = ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000, "[{}," * 100_000]
#: Texts that are not JSON, or too much of it.
BAD = [
    *DEEP,
    "NaN",
    "[Infinity]",
    '{"a": -Infinity}',
    "1e999",
    "-1e999",
    "9" * 5000,
    "",
    "{",
    '"\x00',
    "[1]]",
    "\ufeff1",
]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('[]{}"\\a'), inner),
)


@settings(max_examples=50)
@given(values)
def test_what_is_json_is_read_as_the_library_does(value: Any) -> None:
    text = json.dumps(value)
    assert parse_json(text) == json.loads(text)
    assert parse_json(text.encode("utf-16")) == json.loads(text)


@pytest.mark.parametrize("text", BAD, ids=lambda text: repr(text[:12]))
@pytest.mark.parametrize("form", [str, str.encode], ids=["text", "bytes"])
def test_what_is_not_json_is_refused_at_once(text: str, form: Callable[[str], str | bytes]) -> None:
    if text == "\ufeff1" and form is not str:
        assert parse_json(form(text)) == 1  # a byte order mark
        return
    began = time.monotonic()
    with pytest.raises(JsonTextError, match=r"^it (is not JSON|is nested)") as caught:
        parse_json(form(text))
    assert time.monotonic() - began < 5
    assert len(str(caught.value)) < 120


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(JsonTextError, match="no UTF-8 text"):
        parse_json(b'"\xff"')


@pytest.mark.parametrize("depth", [1, DEEPEST, DEEPEST + 1])
@pytest.mark.parametrize("more", ["", '"]]]]"', '"\\"[[[["', '"\\\\"', "[]" + ",{}" * 300])
def test_the_depth_is_exact_whatever_is_in_strings(depth: int, more: str) -> None:
    text = "[" * depth + more + "]" * depth
    if depth + ("{" in more) > DEEPEST:
        with pytest.raises(JsonTextError, match="nested more than 100 levels"):
            parse_json(text)
    else:
        assert parse_json(text) == json.loads(text)


def test_a_text_that_is_too_long_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cicscenario.jsontext.LONGEST", 1000)
    with pytest.raises(JsonTextError, match="it has 1,002 characters, expected at most 1,000"):
        parse_json('"' + "a" * 1000 + '"')


def test_a_deep_text_takes_no_more_memory_than_itself() -> None:
    text = "[" * 5_000_000
    tracemalloc.start()
    with pytest.raises(JsonTextError):
        parse_json(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * len(text)


#: Readers of what a service has answered; each gives what it gives for no answer that it understands.
READERS: dict[str, tuple[Callable[[bytes], object], object]] = {
    "record of a task": (parse_record, None),
    "id of a task": (task_id, None),
    "queues of a worker": (_queues, set()),
    "queues in a body": (lambda text: _queues(json.dumps({"body": base64.b64encode(text).decode()}).encode()), set()),
    "entry": (lambda text: MetaReply(200, "OK", text, {}).value, None),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("text", BAD[:9], ids=lambda text: repr(text[:12]))
def test_no_service_breaks_a_reader(reader: str, text: str) -> None:
    read, nothing = READERS[reader]
    assert read(text.encode()) == nothing
