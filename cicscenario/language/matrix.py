"""The matrix of a scenario: lists of values for some keys. Each combination of values is a run of its own."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

from cicscenario.language.combination import Combination
from cicscenario.language.diagnostic import Code, Diagnostic, nearest
from cicscenario.language.expand import Expander
from cicscenario.language.matrixlayers import MATRIX, leaves
from cicscenario.language.nodes import KeyValue, Mapping, Node, Sequence, plain, resolve
from cicscenario.language.remedies import flow
from cicscenario.language.schema import Path, Schema, keys, known_key, secret_paths
from cicscenario.language.source import Span

MAX_COMBINATIONS = 64

#: Keys that a matrix cannot vary, each with the reason.
_FIXED = {
    "version": "it says how the file is to be read",
    "name": "each run has a name of its own already",
    "description": "it says nothing to a run",
    "extends": "it says which file is read",
    "vars": "name one variable, such as `vars.people`",
    MATRIX: "it is the matrix itself",
}


@dataclass(frozen=True)
class Value:
    """One value of a key: as it is written, with its place, and as text."""

    node: Node
    text: str


@dataclass(frozen=True)
class VariedKey:
    """One key of a matrix, with its values."""

    key: str  #: dotted
    place: Span
    values: tuple[Value, ...]

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(self.key.split("."))


@dataclass(frozen=True)
class Case:
    """One combination, with the values that it is made of."""

    combination: Combination
    chosen: tuple[tuple[VariedKey, Value], ...]

    def layer(self) -> Mapping:
        """The values as a document, to be merged over that of the file."""
        entries: dict[str, KeyValue] = {}
        span = self.chosen[0][0].place
        for axis, value in self.chosen:
            _put(entries, axis.path, axis.place, value.node)
        return Mapping(span, entries)


def cases(schema: Schema, document: Mapping, problems: list[Diagnostic]) -> list[Case]:
    """The combinations of a document, which has a matrix. Errors of the matrix are added to ``problems``.

    Parts of it that are wrong are left out; if nothing is left, there is no combination. The document is as ``normal`` makes it.
    """
    entry = document.entries[MATRIX]
    if not isinstance(entry.value, Mapping) or not entry.value.entries:
        message = "the matrix varies nothing" if isinstance(entry.value, Mapping) else "the matrix is not a mapping"
        expected = "keys with lists of values, such as `population.size: [10, 100]`; or leave the matrix out"
        code = Code.INVALID_VALUE if isinstance(entry.value, Mapping) else Code.WRONG_TYPE
        problems.append(entry.key.diagnostic(code, message, expected=expected, key=MATRIX))
        return []
    found = [axis for key, one in entry.value.entries.items() if (axis := _axis(schema, document, key, one, problems))]
    problems += _overlapping(found)
    number = prod(len(axis.values) for axis in found)
    if number > MAX_COMBINATIONS:
        message = f"the matrix has {number:,} combinations"
        hint = "each is a run of its own, one after the other: leave out values, or write another scenario for some"
        expected = f"at most {MAX_COMBINATIONS}"
        problems.append(entry.key.diagnostic(Code.INVALID_VALUE, message, expected=expected, hint=hint, key=MATRIX))
    if not found or number > MAX_COMBINATIONS:
        return []
    mixed = itertools.product(*([(axis, value) for value in axis.values] for axis in found))
    return [Case(Combination(tuple((axis.key, value.text) for axis, value in chosen)), chosen) for chosen in mixed]


def _axis(schema: Schema, document: Mapping, key: str, entry: KeyValue, problems: list[Diagnostic]) -> VariedKey | None:
    if problem := _unfit(schema, key, entry):
        problems.append(problem)
        return None
    assert isinstance(entry.value, Sequence)
    expander = Expander(document, (), env=False, problems=problems)
    values: dict[str, Value] = {}
    for at, item in enumerate(entry.value.items):
        node = expander.expanded(item, (MATRIX, key, at))
        text = _text(schema, key, plain(node))
        if expander.failed:
            expander.failed.clear()
        elif text in values:
            message = f"{'this' if item.span.hidden else f'`{text}`'} is in `{MATRIX}.{key}` already"
            problems.append(item.span.diagnostic(Code.INVALID_VALUE, message, expected="every value once", key=MATRIX))
        else:
            values[text] = Value(node, text)
    return VariedKey(key, entry.key, tuple(values.values())) if values else None


def _unfit(schema: Schema, key: str, entry: KeyValue) -> Diagnostic | None:
    """The error for a key that cannot be varied, or that has no list of values; None when it is well."""
    path = tuple(key.split("."))
    reason = _FIXED.get(key)
    if path in secret_paths(schema):
        reason = "it is a secret"
    if reason:
        message = f"the matrix cannot vary `{key}`: {reason}"
        return entry.key.diagnostic(Code.INVALID_VALUE, message, expected="another key", key=MATRIX)
    if not _is_known(schema, path):
        known = [name for name in keys(schema) if name not in _FIXED]
        ends = [name for name in known if name.endswith(f".{key}")]
        guess = ends[0] if len(ends) == 1 else nearest(key, known)
        message = f"unknown key `{key}` in the matrix"
        expected = "a dotted key, as `--set` takes it: `population.size`"
        return entry.key.diagnostic(Code.UNKNOWN_KEY, message, expected=expected, suggestion=guess, key=MATRIX)
    if not isinstance(entry.value, Sequence):
        message = f"`{MATRIX}.{key}` is one value"
        expected = f"a list of values, such as `{key}: {flow(_as_list(plain(entry.value)))}`"
        return entry.value.span.diagnostic(Code.WRONG_TYPE, message, expected=expected, key=MATRIX)
    if not entry.value.items:
        message = f"`{MATRIX}.{key}` is an empty list, so there would be no run"
        expected = "one value or more; or leave the key out"
        return entry.value.span.diagnostic(Code.INVALID_VALUE, message, expected=expected, key=MATRIX)
    return None


def _is_known(schema: Schema, path: Path) -> bool:
    """Whether the language has such a key, or a mapping there in which the file chooses the names."""
    known = known_key(schema, path)
    if known == ".".join(map(str, path)):
        return True
    return isinstance(keys(schema).get(known, {}).get("additionalProperties"), dict)


def _overlapping(axes: list[VariedKey]) -> Iterator[Diagnostic]:
    """An error for each key of a matrix whose values replace those of another key of it."""
    for first, second in itertools.permutations(axes, 2):
        if len(second.path) > len(first.path) and second.path[: len(first.path)] == first.path:
            rest = second.path[len(first.path) :]
            inner = set().union(*(leaves(value.node) for value in first.values))
            if any(leaf[: len(rest)] == rest or rest[: len(leaf)] == leaf for leaf in inner):
                message = f"the matrix varies `{second.key}` twice: also within `{first.key}`"
                yield second.place.diagnostic(Code.CONTRADICTION, message, hint="leave one of the two out", key=MATRIX)


def _as_list(value: Any) -> list[Any]:
    """The values of what is to be a list. A text such as ``1,5`` is several values."""
    parts = re.split(r"\s*,\s*", value.strip()) if isinstance(value, str) else []
    return [resolve(part) for part in parts] if len(parts) > 1 and all(parts) else [value]


def _text(schema: Schema, key: str, value: Any) -> str:
    """The value as ``--set`` takes it, in its short form."""
    tag = schema["properties"].get(key, {}).get("x-short")
    if tag and isinstance(value, dict) and list(value) == [tag]:
        value = value[tag]
    return "null" if value is None else flow(value)


def _put(entries: dict[str, KeyValue], path: tuple[str, ...], span: Span, node: Node) -> None:
    """Puts a value at a path, below other values that are there."""
    name, rest = path[0], path[1:]
    held = entries.get(name)
    inner = dict(held.value.entries) if held and isinstance(held.value, Mapping) else {}
    if rest:
        _put(inner, rest, span, node)
    elif isinstance(node, Mapping):
        inner |= node.entries
    else:
        entries[name] = KeyValue(span, node)
        return
    entries[name] = KeyValue(span, Mapping(node.span, inner))
