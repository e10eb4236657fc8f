"""Whether a value is valid by a JSON schema: the answer for files without errors, which need no description of any.

It knows the keywords of this language's schemas, and answers as jsonschema does; tests hold the two against each other.
Loading jsonschema takes longer than all else that a valid file needs, so it is loaded to describe errors only. A schema with
other keywords, such as an option of another package may have, is left to it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from cicscenario.language.schema import Schema

#: Tests a text, by the name of a format.
Formats = Mapping[str, Callable[[str], bool]]


class UnknownKeywordError(Exception):
    """The schema has a keyword, or a use of one, that is not known here."""


def conforms(schema: Schema, value: Any, formats: Formats) -> bool:
    """Whether the value is valid. Raises UnknownKeywordError when that cannot be said here."""
    for keyword, limit in schema.items():
        if keyword in _ANNOTATIONS or keyword.startswith("x-"):
            continue
        if keyword not in _KEYWORDS:
            raise UnknownKeywordError(keyword)
        kind, test = _KEYWORDS[keyword]
        if _is(kind, value) and not test(limit, value, schema, formats):
            return False
    return True


def whole_match(pattern: str, text: str) -> bool:
    """Whether the whole text matches, as ECMA's `$` means it. Python's `$` would ignore a line break at the end."""
    return re.fullmatch(pattern, text) is not None


def _is(kind: str, value: Any) -> bool:
    """Whether a value is of a type of JSON schema. A number without a fraction is an integer, however it is written."""
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "integer":
        return _is("number", value) and (isinstance(value, int) or value.is_integer())
    return kind == _ANY or isinstance(value, _TYPES[kind])


def _equal(one: Any, other: Any) -> bool:
    """As JSON has it: true is not 1."""
    if isinstance(one, dict | list):
        raise UnknownKeywordError("a choice that is a list or a mapping")
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _unique(wanted: bool, items: list[Any]) -> bool:
    if not all(isinstance(item, str) for item in items):
        raise UnknownKeywordError("uniqueItems of anything but texts")
    return not wanted or len(set(items)) == len(items)


def _others(limit: Schema | bool, value: dict[str, Any], schema: Schema, formats: Formats) -> bool:
    others = [child for name, child in value.items() if name not in schema.get("properties", {})]
    if isinstance(limit, bool):
        return limit or not others
    return all(conforms(limit, child, formats) for child in others)


def _format(name: str, value: str, _: Schema, formats: Formats) -> bool:
    if name not in formats:
        raise UnknownKeywordError(f"the format {name}")
    return formats[name](value)


def _branch(condition: Schema, value: Any, schema: Schema, formats: Formats) -> bool:
    return conforms(schema.get("then" if conforms(condition, value, formats) else "else", {}), value, formats)


_ANY = "any"
_TYPES: dict[str, Any] = {
    "string": str,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}
_ANNOTATIONS = frozenset({"$schema", "$id", "title", "description", "default", "examples"})
_Test = Callable[[Any, Any, Schema, Formats], bool]
#: The type of values that a keyword is about, and its test, which takes what the schema says, the value and the schema.
_KEYWORDS: dict[str, tuple[str, _Test]] = {
    "type": (_ANY, lambda kinds, v, *_: any(_is(kind, v) for kind in ([kinds] if isinstance(kinds, str) else kinds))),
    "enum": (_ANY, lambda choices, v, *_: any(_equal(choice, v) for choice in choices)),
    "const": (_ANY, lambda constant, v, *_: _equal(constant, v)),
    "minimum": ("number", lambda limit, v, *_: v >= limit),
    "maximum": ("number", lambda limit, v, *_: v <= limit),
    "exclusiveMinimum": ("number", lambda limit, v, *_: v > limit),
    "minLength": ("string", lambda limit, v, *_: len(v) >= limit),
    "maxLength": ("string", lambda limit, v, *_: len(v) <= limit),
    "pattern": ("string", lambda pattern, v, *_: whole_match(pattern, v)),
    "format": ("string", _format),
    "items": ("array", lambda child, v, _, formats: all(conforms(child, item, formats) for item in v)),
    "minItems": ("array", lambda limit, v, *_: len(v) >= limit),
    "uniqueItems": ("array", lambda wanted, v, *_: _unique(wanted, v)),
    "properties": (
        "object",
        lambda known, v, _, formats: all(
            conforms(child, v[name], formats) for name, child in known.items() if name in v
        ),
    ),
    "additionalProperties": ("object", _others),
    "propertyNames": ("object", lambda child, v, _, formats: all(conforms(child, name, formats) for name in v)),
    "minProperties": ("object", lambda limit, v, *_: len(v) >= limit),
    "maxProperties": ("object", lambda limit, v, *_: len(v) <= limit),
    "required": ("object", lambda names, v, *_: all(name in v for name in names)),
    "dependentRequired": (
        "object",
        lambda needed, v, *_: all(other in v for name, others in needed.items() if name in v for other in others),
    ),
    "oneOf": (_ANY, lambda choices, v, _, formats: sum(conforms(choice, v, formats) for choice in choices) == 1),
    "if": (_ANY, _branch),
    "then": (_ANY, lambda *_: True),  # with `if`
    "else": (_ANY, lambda *_: True),
}
