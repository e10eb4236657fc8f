"""Whether a document is valid is said as jsonschema says it, or left to jsonschema."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import FormatChecker

from cicscenario.language.conforming import UnknownKeywordError, conforms
from cicscenario.language.descriptions import VALIDATOR
from cicscenario.language.formats import FORMATS, SECRET
from cicscenario.language.schema import Path as KeyPath
from cicscenario.language.schema import Schema, properties
from cicscenario.resources import load_schema
from cicscenario.vocabulary import scenario_schema

TESTS = {name: form.test for name, form in FORMATS.items()} | {SECRET: lambda text: text.startswith("file:")}
SCHEMAS = {"scenario": scenario_schema()} | {kind: load_schema(f"{kind}-v1") for kind in ("environment", "profile")}


def says(schema: Schema, value: Any) -> bool:
    """What jsonschema says."""
    checker = FormatChecker(formats=())
    for name, test in TESTS.items():
        checker.checks(name)(lambda value, test=test: not isinstance(value, str) or test(value))
    return bool(VALIDATOR(schema, format_checker=checker).is_valid(value))


def agrees(schema: Schema, value: Any) -> bool:
    """Whether it says what jsonschema says, or leaves it to jsonschema."""
    try:
        return conforms(schema, value, TESTS) == says(schema, value)
    except UnknownKeywordError:
        return True


ODD = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        -1,
        1.0,
        1.5,
        10**9,
        "",
        "1",
        "x",
        "KE",
        "file:a",
        "http://a:1",
        "a\n",
        [],
        ["a", "a"],
        {},
    ]
)


def examples(schema: Schema) -> st.SearchStrategy[Any]:
    """Values that are valid by a schema more often than not."""
    if "properties" in schema:
        known = {name: examples(child) for name, child in schema["properties"].items()}
        required = {name: known[name] for name in schema.get("required", ())}
        others = {name: child for name, child in known.items() if name not in required}
        return st.fixed_dictionaries(required, optional=others)
    given = [
        *schema.get("examples", ()),
        *schema.get("enum", ()),
        *([schema["default"]] if "default" in schema else []),
    ]
    return st.sampled_from(given).map(deepcopy) if given else ODD


@st.composite
def documents(draw: st.DrawFn, schema: Schema) -> Any:
    """A document with a few odd values at keys that the schema has, and perhaps a key that it does not have."""
    document = draw(examples(schema))
    paths: list[KeyPath] = [path for path, _ in properties(schema)]
    for path in draw(st.lists(st.sampled_from([*paths, ("unknown",)]), max_size=2)):
        holder = document
        for name in path[:-1]:
            holder = holder.get(name) if isinstance(holder, dict) else None
        if isinstance(holder, dict):
            holder[path[-1]] = draw(ODD)
    return document


@pytest.mark.parametrize("kind", SCHEMAS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_document_is_valid_when_jsonschema_says_so(kind: str, data: st.DataObject) -> None:
    document = data.draw(documents(SCHEMAS[kind]))
    assert agrees(SCHEMAS[kind], document)


def at_the_limits(schema: Schema) -> Iterator[Any]:
    """Values on both sides of each limit that a schema has."""
    for keyword, limit in schema.items():
        if keyword in ("minimum", "maximum", "exclusiveMinimum"):
            yield from (limit - 1, limit, limit + 1)
        elif keyword in ("minLength", "maxLength"):
            yield from ("x" * length for length in range(max(0, limit - 1), limit + 2))
        elif keyword == "minItems":
            yield from ([str(n) for n in range(length)] for length in range(max(0, limit - 1), limit + 2))
        elif keyword in ("minProperties", "maxProperties"):
            yield from ({f"n{n}": 1 for n in range(length)} for length in range(max(0, limit - 1), limit + 2))


@pytest.mark.parametrize("kind", SCHEMAS)
def test_each_odd_value_at_each_key_is_judged_as_jsonschema_does(kind: str) -> None:
    """Also what chance may leave out; the schema of the key alone is asked."""
    judged = {True: 0, False: 0}
    odd = [
        None,
        True,
        0,
        1,
        -1,
        1.0,
        1.5,
        10**30,
        "",
        "1",
        "KE",
        "sl",
        "file:a",
        "+1%",
        "a\n",
        [],
        [1],
        ["a", "a"],
        {"a": 1},
    ]
    for path, schema in [((), SCHEMAS[kind]), *properties(SCHEMAS[kind])]:
        for value in [*odd, *at_the_limits(schema), *schema.get("examples", ())]:
            judged[says(schema, value)] += 1
            assert agrees(schema, value), (path, value)
    assert min(judged.values()) > 50


@pytest.mark.parametrize("kind", SCHEMAS)
def test_it_knows_every_keyword_of_the_schemas(kind: str) -> None:
    for _, schema in properties(SCHEMAS[kind]):
        for value in schema["examples"]:
            assert conforms(schema, value, TESTS) == says(schema, value)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "contentEncoding": "base64"}, "a"),
        ({"anyOf": [{"type": "string"}]}, "a"),
        ({"properties": {"word": {"type": "string", "not": {"const": "a"}}}}, {"word": "a"}),
        ({"format": "idn-email"}, "a"),
        ({"enum": [[1]]}, [True]),
        ({"uniqueItems": True}, [1, True]),
    ],
)
def test_what_it_does_not_know_it_leaves_to_jsonschema(schema: Schema, value: Any) -> None:
    with pytest.raises(UnknownKeywordError):
        conforms(schema, value, TESTS)


@pytest.mark.parametrize(
    ("schema", "valid", "invalid"),
    [
        ({"uniqueItems": True}, ["a", "b"], ["a", "a"]),
        ({"const": 1}, 1, True),
        ({"enum": [False, 2]}, 2, 0),
        ({"pattern": "[a-z]+"}, "ab", "ab\n"),
        ({"additionalProperties": {"type": "integer"}, "properties": {"b": {}}}, {"a": 1, "b": "x"}, {"a": "x"}),
        ({"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"minimum": 2}}, 2, "a"),
        ({"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"minimum": 2}}, "ab", 1),
    ],
)
def test_a_keyword_alone_is_judged_as_jsonschema_does(schema: Schema, valid: Any, invalid: Any) -> None:
    for value, right in ((valid, True), (invalid, False)):
        assert conforms(schema, value, TESTS) is says(schema, value) is right
