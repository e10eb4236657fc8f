"""Validates a document against its JSON schema. Errors are described in words and have the place in the file."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend

from cicscenario.language.diagnostic import Code, Diagnostic, nearest
from cicscenario.language.formats import FORMATS, SECRET
from cicscenario.language.nodes import Mapping, Scalar, node_at, plain, resolve, written_at
from cicscenario.language.redaction import redact
from cicscenario.language.schema import Path, Schema, known_key
from cicscenario.language.secret import is_reference
from cicscenario.language.template import has_expression

_SHOWN = 40  #: characters of a value in a message

_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping of keys to values",
    "null": "nothing",
}
_LIMITS = {
    "minimum": "at least {:,}",
    "maximum": "at most {:,}",
    "exclusiveMinimum": "more than {:,}",
    "minLength": "at least {} character",
    "maxLength": "at most {} characters",
    "minItems": "at least {} item",
    "minProperties": "at least {} key",
    "maxProperties": "at most {} keys",
}


def validate(schema: Schema, document: Mapping, *, env: bool) -> list[tuple[Path, Diagnostic]]:
    """Every error with its path, in the order of the schema. ``env`` is whether secrets may be `env.NAME`."""
    checker = FormatChecker(formats=())
    for name, known in FORMATS.items():
        checker.checks(name)(_for_text(known.test))
    checker.checks(SECRET)(_for_text(lambda text: is_reference(text, env=env)))
    errors = list(_Validator(schema, format_checker=checker).iter_errors(plain(document)))
    errors += _written_otherwise(schema, document)
    wrong_kinds = {tuple(error.absolute_path)[:-1] for error in errors if _is_wrong_kind(error)}
    wrong_types = {tuple(error.absolute_path) for error in errors if error.validator == "type"}
    found: list[tuple[Path, Diagnostic]] = []
    for error in errors:
        path = tuple(error.absolute_path)
        if path in wrong_types and error.validator != "type":
            continue  # what else a value of the wrong type is not says nothing more
        # The options of an unknown kind cannot be validated, so only the kind is reported.
        if _is_wrong_kind(error) or not any(path[: len(kind)] == kind for kind in wrong_kinds):
            found.extend(_ErrorDescription(schema, document, error, env).diagnostics())
    return list(dict.fromkeys(found))


def _written_otherwise(schema: Schema, document: Mapping) -> Iterator[ValidationError]:
    """An error for each constant that is right as a number, but not as it is written: there is no version 1.0."""
    for name, child in schema["properties"].items():
        node = document.entries[name].value if name in document.entries else None
        if "const" not in child or not isinstance(node, Scalar) or has_expression(node.written):
            continue
        if node.value == child["const"] and type(node.value) is int and node.written != str(child["const"]):
            yield ValidationError(
                "written otherwise", validator="const", path=[name], validator_value=child["const"], schema=child
            )


def _for_text(test: Callable[[str], bool]) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, str) or test(value)


def _is_wrong_kind(error: ValidationError) -> bool:
    return bool(error.absolute_path) and error.absolute_path[-1] == "kind" and error.validator in ("enum", "type")


def _whole_pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    """Matches the whole text, as ECMA's `$` does. Python's `$` would ignore a line break at the end."""
    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield ValidationError("no match")


_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"pattern": _whole_pattern}
)


class _ErrorDescription:
    """Describes one error of the validator in words. Shows values as written, so that values from `env` stay hidden."""

    def __init__(self, schema: Schema, document: Mapping, error: ValidationError, env: bool) -> None:
        self._schema = schema
        self._env = env
        self._document = document
        self._error: Any = error
        self._path: Path = tuple(error.absolute_path)
        self._key = ".".join(part for part in self._path if isinstance(part, str))
        self._limit: Any = error.validator_value

    def diagnostics(self) -> Iterator[tuple[Path, Diagnostic]]:
        if self._error.schema.get("format") == SECRET:
            yield self._path, self._literal_secret()
        elif "propertyNames" in self._error.absolute_schema_path:
            yield self._name(str(self._error.instance))
        else:
            yield from READINGS[str(self._error.validator)](self)

    def _at(
        self, path: Path, code: Code, message: str, *, on_key: bool = False, **more: Any
    ) -> tuple[Path, Diagnostic]:
        span = written_at(self._document, path, on_key=on_key)
        more.setdefault("key", known_key(self._schema, self._path) or None)
        return path, span.diagnostic(code, message, **more)

    def _literal_secret(self) -> Diagnostic:
        return self._at(
            self._path,
            Code.LITERAL_SECRET,
            f"`{self._key}` holds a literal secret",
            expected="a reference: `file:PATH`" + (" or `{{ env.NAME }}`" if self._env else ""),
            on_key=True,  # the value may be on another line, which must not be shown
            hint="put the secret into a file that only you can read, and never commit that file",
        )[1]

    def _name(self, name: str) -> tuple[Path, Diagnostic]:
        """The error for an invalid name in a mapping with free keys."""
        path = (*self._path, name)
        if self._error.validator != "enum":
            return self._at(path, Code.INVALID_VALUE, f"`{name}` is not a name for a variable", on_key=True)
        return self._unknown(path, self._limit)

    def _unknown(self, path: Path, names: list[str]) -> tuple[Path, Diagnostic]:
        name = str(path[-1])
        expected, guess = f"one of {', '.join(names)}", nearest(name, names)
        message = f"unknown key `{_crop(name)}`"
        return self._at(path, Code.UNKNOWN_KEY, message, on_key=True, expected=expected, suggestion=guess)

    def _unknown_keys(self) -> Iterator[tuple[Path, Diagnostic]]:
        names = list(self._error.schema["properties"])
        for name in self._error.instance:
            if name not in names:
                yield self._unknown((*self._path, name), names)

    def _missing_keys(self) -> Iterator[tuple[Path, Diagnostic]]:
        for name in self._limit:
            if name not in self._error.instance:
                yield self._missing(name, f"`{name}` is missing")

    def _missing(self, name: str, message: str) -> tuple[Path, Diagnostic]:
        child = self._error.schema["properties"][name]
        key = ".".join(filter(None, (self._key, name)))
        example = f"such as `{name}: {child['examples'][0]}`" if not isinstance(child["examples"][0], dict) else None
        path, problem = self._at(self._path, Code.MISSING_KEY, message, on_key=True, expected=example, key=key)
        return (*path, name), problem

    def _partners(self) -> Iterator[tuple[Path, Diagnostic]]:
        for name, partners in self._limit.items():
            for partner in partners if name in self._error.instance else ():
                if partner not in self._error.instance:
                    yield self._missing(partner, f"`{name}` also needs `{partner}`")

    def _one_of(self) -> Iterator[tuple[Path, Diagnostic]]:
        if not isinstance(self._error.instance, dict):
            return  # the wrong type is reported already
        kinds = [choice["required"][0] for choice in self._limit]
        given = [kind for kind in kinds if kind in self._error.instance]
        message = f"`{self._key}` has {' and '.join(f'`{kind}`' for kind in given) or 'none of its kinds'}"
        yield self._at(self._path, Code.ONE_OF, message, on_key=True, expected=f"exactly one of {', '.join(kinds)}")

    def _type(self) -> Iterator[tuple[Path, Diagnostic]]:
        wanted = self._limit if isinstance(self._limit, list) else [self._limit]
        expected = " or ".join(_TYPES[name] for name in wanted)
        value, hint = self._error.instance, None
        if isinstance(value, str) and {"integer", "number", "boolean"} & set(wanted) and _is_quoted(value):
            hint = "leave out the quotes"
        message = f"`{self._key}` is {_kind(value)}"
        yield self._at(self._path, Code.WRONG_TYPE, message, expected=expected, hint=hint)

    def _choice(self) -> Iterator[tuple[Path, Diagnostic]]:
        names = [str(name) for name in (self._limit if isinstance(self._limit, list) else [self._limit])]
        expected = f"one of {', '.join(names)}" if len(names) > 1 else names[0]
        yield self._invalid(expected, nearest(str(self._error.instance), names))

    def _format(self) -> Iterator[tuple[Path, Diagnostic]]:
        known = FORMATS[self._limit]
        yield self._invalid(known.expected, nearest(self._error.instance, known.names()))

    def _pattern(self) -> Iterator[tuple[Path, Diagnostic]]:
        yield self._invalid(f"text such as {self._error.schema['examples'][0]}, which matches {self._limit}", None)

    def _value(self) -> Iterator[tuple[Path, Diagnostic]]:
        yield self._invalid(_LIMITS[str(self._error.validator)].format(self._limit), None)

    def _repeated(self) -> Iterator[tuple[Path, Diagnostic]]:
        items = [
            json.dumps(item) for item in self._error.instance
        ]  # compared as JSON text, because 1 == True in Python
        for at, item in enumerate(items):
            if item in items[:at]:
                path = (*self._path, at)
                message = f"{self._shown(path)} is in `{self._key}` already"
                yield self._at(path, Code.INVALID_VALUE, message, expected="every item once")

    def _invalid(self, expected: str, guess: str | None) -> tuple[Path, Diagnostic]:
        message = f"{self._shown(self._path)} is not a value for `{self._key}`"
        return self._at(self._path, Code.INVALID_VALUE, message, expected=expected, suggestion=guess)

    def _shown(self, path: Path) -> str:
        node = node_at(self._document, path)
        return f"`{_crop(redact(node.written))}`" if isinstance(node, Scalar) else "this"


#: The description of errors by schema keyword. Keywords that only contain other schemas, such as ``items``, have none.
READINGS: dict[str, Callable[[_ErrorDescription], Iterator[tuple[Path, Diagnostic]]]] = {
    "additionalProperties": _ErrorDescription._unknown_keys,
    "required": _ErrorDescription._missing_keys,
    "dependentRequired": _ErrorDescription._partners,
    "oneOf": _ErrorDescription._one_of,
    "type": _ErrorDescription._type,
    "enum": _ErrorDescription._choice,
    "const": _ErrorDescription._choice,
    "format": _ErrorDescription._format,
    "pattern": _ErrorDescription._pattern,
    "uniqueItems": _ErrorDescription._repeated,
    **dict.fromkeys(_LIMITS, _ErrorDescription._value),
}


def _is_quoted(text: str) -> bool:
    """Whether a text would be a number, true or false without the quotes around it."""
    return isinstance(resolve(text), int | float)


def _kind(value: Any) -> str:
    """The type of a value in words. Tests bool first, because bool is a subclass of int."""
    kinds: list[tuple[type, str]] = [(bool, "boolean"), (int, "integer"), (float, "number"), (str, "string")]
    kinds += [(list, "array"), (dict, "object"), (type(None), "null")]
    return _TYPES[next(name for kind, name in kinds if isinstance(value, kind))]


def _crop(text: str) -> str:
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
