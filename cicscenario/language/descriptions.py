"""Describes the errors of a JSON schema's validator in words, each at its place in the file."""

import json
import re
from collections.abc import Callable, Iterator
from math import ceil, floor
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend

from cicscenario.language.amounts import amount
from cicscenario.language.conforming import whole_match
from cicscenario.language.diagnostic import Code, Diagnostic, nearest
from cicscenario.language.expressions import has_expression
from cicscenario.language.formats import FORMATS, SECRET
from cicscenario.language.kinds import is_scenario_schema
from cicscenario.language.literals import secret_reference
from cicscenario.language.mends import joined
from cicscenario.language.misplaced import Misplaced, misplaced, of_the_other_kind
from cicscenario.language.nodes import Mapping, Scalar, node_at, written_at
from cicscenario.language.oddnumbers import GROUPED
from cicscenario.language.redaction import redact
from cicscenario.language.remedies import flow, meant
from cicscenario.language.schema import Path, Schema, keys, known_key
from cicscenario.language.source import Span

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
#: Why a number that is too large is probably another one, by the unit of the key.
_IN_UNITS = {
    "share": "it is a share, so {}% is that",
    "seconds": "it is in seconds, so {} milliseconds are that",
}
#: What a number is that has no unit of its own, by the unit of the key. Any other unit is named behind the number.
_OF_UNIT = {"share": "{}, as a share: 0.9 is 90%", "wei": "{}, in wei"}
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


NO_VALUE = " has no value"


def _whole_pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and not whole_match(pattern, value):
        yield ValidationError("no match")


VALIDATOR: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"pattern": _whole_pattern}
)


class ErrorDescription:
    """Describes one error of the validator in words. Shows values as written, so that values from `env` stay hidden."""

    def __init__(
        self,
        schema: Schema,
        document: Mapping,
        error: ValidationError,
        checker: FormatChecker,
        elsewhere: list[Misplaced],
        *,
        env: bool,
    ) -> None:
        """Adds keys that belong elsewhere to ``elsewhere``, because several of them may be one mistake."""
        self._schema = schema
        self._checker = checker
        self._elsewhere = elsewhere
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
        node = node_at(self._document, self._path)
        written = node.written if isinstance(node, Scalar) else None
        guess = secret_reference(written, self._document, self._path) if self._env else None
        return self._at(
            self._path,
            Code.LITERAL_SECRET,
            f"`{self._key}` holds a literal secret",
            expected="a reference: `file:PATH`" + (" or `{{ env.NAME }}`" if self._env else ""),
            on_key=True,  # the value may be on another line, which must not be shown
            hint=guess or "put the secret into a file that only you can read, and never commit that file",
        )[1]

    def _written(self) -> str | None:
        """The text of the value in the file; None for a list, a mapping, and the result of an expression."""
        node = node_at(self._document, self._path)
        return node.written if isinstance(node, Scalar) and not has_expression(node.written) else None

    def _valid(self, value: Any, schema: Schema) -> bool:
        return bool(VALIDATOR(schema, format_checker=self._checker).is_valid(value))

    def _meant(self) -> str | None:
        """What was probably meant by the value, as it is to be written; never a secret."""
        node = node_at(self._document, self._path)
        if isinstance(node, Scalar) and has_expression(node.written) and "object" not in self._error.schema["type"]:
            return None
        written = node.written if isinstance(node, Scalar) else None
        text = meant(self._error.instance, written, self._error.schema, self._valid)
        return text if text is not None and node.span.source.quoted and redact(text) == text else None

    def _name(self, name: str) -> tuple[Path, Diagnostic]:
        """The error for an invalid name in a mapping with free keys."""
        path = (*self._path, name)
        if expected := self._error.schema.get("x-names"):
            return self._at(path, Code.INVALID_VALUE, f"`{_crop(name)}` is not {expected}", on_key=True)
        if self._error.validator != "enum":
            guess = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
            more = {
                "expected": "letters, digits and underscores",
                "suggestion": guess if guess.isidentifier() else None,
            }
            return self._at(path, Code.INVALID_VALUE, f"`{name}` is not a name for a variable", on_key=True, **more)
        return self._unknown(path, self._limit)

    def _unknown(self, path: Path, names: list[str]) -> tuple[Path, Diagnostic]:
        name = str(path[-1])
        expected, guess = f"one of {', '.join(names)}", nearest(name, names)
        message = f"unknown key `{_crop(name)}`"
        return self._at(path, Code.UNKNOWN_KEY, message, on_key=True, expected=expected, suggestion=guess)

    def _unknown_keys(self) -> Iterator[tuple[Path, Diagnostic]]:
        names = list(self._error.schema["properties"])
        holder = node_at(self._document, self._path)
        assert isinstance(holder, Mapping)
        for name in (name for name in self._error.instance if name not in names):
            entry, path = holder.entries[name], (*self._path, name)
            problem = self._misread(holder, name, names)
            if problem is None and (one := misplaced(self._schema, self._document, self._path, name, entry)):
                self._elsewhere.append(one)
                continue
            problem = problem or of_the_other_kind(self._schema, self._path, name, entry)
            yield (path, problem) if problem else self._unknown(path, names)

    def _misread(self, holder: Mapping, name: str, names: list[str]) -> Diagnostic | None:
        """The error for a key in braces that is no key: its colon has no space, or it is the rest of a number."""
        entry = holder.entries[name]
        if not isinstance(entry.value, Scalar) or entry.value.value is not None:
            return None
        if found := joined(name, names):
            return _misjoined(entry.key, found)
        before = list(holder.entries)[: list(holder.entries).index(name)]
        last = holder.entries[before[-1]].value if before else None
        if re.fullmatch("[0-9]{3}", name) and isinstance(last, Scalar) and type(last.value) is int:
            message = f"a comma in the number `{last.written},{name}`"
            return last.span.diagnostic(Code.INVALID_VALUE, message, expected=f"{last.written}{name}")
        return None

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
        if (unit := self._error.schema.get("x-unit")) and set(wanted) & {"integer", "number"}:
            expected = _OF_UNIT.get(unit, f"{{}} of {unit}").format(expected)
        value = self._error.instance
        if value is None:
            yield self._nothing(expected)
        elif isinstance(value, str) and (problem := self._written_together(value, wanted)):
            yield self._path, problem
        else:
            message = f"`{self._key}` is {_kind(value)}"
            yield self._at(self._path, Code.WRONG_TYPE, message, expected=expected, hint=self._type_hint(value))

    def _type_hint(self, value: Any) -> str | None:
        text = self._meant()
        if self._path == ("environment",):
            return (
                "write services and keys into an environment file, and its name here"
                if text is None
                else f"write {text}"
            )
        in_list = bool(self._path) and isinstance(self._path[-1], int)
        if isinstance(value, list) and in_list:
            return "leave out the inner brackets"
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            return "write the keys without the dashes"
        if text is None:
            return f"leave `{self._key}` out" if value is False else self._whole_only(value)
        if isinstance(value, str) and text == self._written():
            return f"write it without the quotes: {text}"
        return f"write {text}"

    def _whole_only(self, value: Any) -> str | None:
        """The hint for a fraction where only whole numbers are possible; ``1,5`` may also be two values."""
        schema = self._error.schema
        number = amount(str(value), schema.get("x-unit")) if isinstance(value, str | float) else None
        if schema["type"] != "integer" or number is None or not number.is_finite() or number == int(number):
            return None
        near = [one for one in (floor(number), ceil(number)) if self._valid(one, schema)]
        hint = "only whole numbers are possible" + (f": {' or '.join(map(str, near))}" if near else "")
        text = self._written() or ""
        if re.fullmatch(r"\s*[0-9]+(?:\s*,\s*[0-9]+)+\s*", text) and self._in_a_scenario():
            values = ", ".join(re.split(r"\s*,\s*", text.strip()))
            hint += f"; for a run with each of several values, write `matrix: {{{self._key}: [{values}]}}`"
        return hint

    def _in_a_scenario(self) -> bool:
        return is_scenario_schema(self._schema) and self._key in keys(self._schema)

    def _nothing(self, expected: str) -> tuple[Path, Diagnostic]:
        """The error for a key without a value, or whose value YAML takes for a comment."""
        span = written_at(self._document, self._path, on_key=True)
        line = span.source.lines[span.line] if span.line < len(span.source.lines) else ""
        comment = re.compile(r"\s*:\s+(#[^\s#].*)").match(line, span.column + span.length)
        if comment and span.source.quoted:
            place = Span(span.source, span.line, comment.start(1), len(comment[1]))
            message = f"`{self._key}`{NO_VALUE}: `#` begins a comment"
            return self._path, place.diagnostic(
                Code.WRONG_TYPE, message, expected=json.dumps(comment[1].rstrip(), ensure_ascii=False), key=self._key
            )
        example = self._error.schema.get("examples", [None])[0]
        more = f", such as `{self._path[-1]}: {flow(example)}`" if example is not None else ""
        expected = f"{expected}{more}; or leave the key out"
        on_key = written_at(self._document, self._path).length == 0  # else `null` or the like is there
        return self._at(self._path, Code.WRONG_TYPE, f"`{self._key}`{NO_VALUE}", on_key=on_key, expected=expected)

    def _written_together(self, value: str, wanted: list[str]) -> Diagnostic | None:
        """The error for a key and its value, or a dash and its item, without a space between them."""
        span = node_at(self._document, self._path).span
        if "object" in wanted and (found := joined(value, self._error.schema.get("properties", {}))):
            return _misjoined(span, found)
        if "array" in wanted and re.match("-[^-\\s0-9]", value):
            first = value.split()[0]
            expected = f"a space there: `- {_crop(first[1:])}`"
            return span.diagnostic(Code.SYNTAX, f"no space after the dash of `{_crop(first)}`", expected=expected)
        return None

    def _choice(self) -> Iterator[tuple[Path, Diagnostic]]:
        names = [str(name) for name in (self._limit if isinstance(self._limit, list) else [self._limit])]
        expected = f"one of {', '.join(names)}" if len(names) > 1 else names[0]
        value = str(self._error.instance)
        if found := joined(value, [str(self._path[-1])]):
            yield self._path, _misjoined(node_at(self._document, self._path).span, found)
            return
        several = [nearest(word, names) for word in re.split(r"[\s,;]+", value.strip())]
        if len(several) > 1 and all(several):
            hint = f"write {', '.join(filter(None, several))}: an item each"
            yield self._invalid(expected, None, hint=hint)
        else:
            yield self._invalid(expected, nearest(value, names))

    def _format(self) -> Iterator[tuple[Path, Diagnostic]]:
        known = FORMATS[self._limit]
        value, hint = self._error.instance, None
        if self._limit == "redis-url" and "@" in value:
            hint = f"user and password go to `{self._key.rpartition('.')[0]}.user` and `.password`".replace(
                "`.password`", f"`{self._key.rpartition('.')[0]}.password`"
            )
        yield self._invalid(known.expected, self._meant() or nearest(value, known.names()), hint=hint)

    def _grouped(self) -> Iterator[tuple[Path, Diagnostic]]:
        written = self._written() or ""
        whole = written.replace(".", "")
        message = f"`{written}` is {self._error.instance} and a fraction for YAML"
        yield self._at(self._path, Code.INVALID_VALUE, message, expected=f"{whole}, or {self._error.instance}")

    def _pattern(self) -> Iterator[tuple[Path, Diagnostic]]:
        expected = f"text such as {self._error.schema['examples'][0]}, which matches {self._limit}"
        yield self._invalid(expected, self._meant())

    def _value(self) -> Iterator[tuple[Path, Diagnostic]]:
        unit, text = self._error.schema.get("x-unit"), self._meant()
        hint = f"write {text}: {_IN_UNITS[unit].format(self._written())}" if text and unit in _IN_UNITS else None
        yield self._invalid(_LIMITS[str(self._error.validator)].format(self._limit), None, hint=hint)

    def _repeated(self) -> Iterator[tuple[Path, Diagnostic]]:
        items = [
            json.dumps(item) for item in self._error.instance
        ]  # compared as JSON text, because 1 == True in Python
        for at, item in enumerate(items):
            if item in items[:at]:
                path = (*self._path, at)
                message = f"{self._shown(path)} is in `{self._key}` already"
                yield self._at(path, Code.INVALID_VALUE, message, expected="every item once")

    def _invalid(self, expected: str, guess: str | None, hint: str | None = None) -> tuple[Path, Diagnostic]:
        message = f"{self._shown(self._path)} is not a value for `{self._key}`"
        guess = guess.strip('"') if guess else None
        return self._at(self._path, Code.INVALID_VALUE, message, expected=expected, suggestion=guess, hint=hint)

    def _shown(self, path: Path) -> str:
        node = node_at(self._document, path)
        return f"`{_crop(redact(node.written))}`" if isinstance(node, Scalar) else "this"


#: The description of errors by schema keyword. Keywords that only contain other schemas, such as ``items``, have none.
READINGS: dict[str, Callable[[ErrorDescription], Iterator[tuple[Path, Diagnostic]]]] = {
    "additionalProperties": ErrorDescription._unknown_keys,
    "required": ErrorDescription._missing_keys,
    "dependentRequired": ErrorDescription._partners,
    "oneOf": ErrorDescription._one_of,
    "type": ErrorDescription._type,
    "enum": ErrorDescription._choice,
    "const": ErrorDescription._choice,
    "format": ErrorDescription._format,
    "pattern": ErrorDescription._pattern,
    GROUPED: ErrorDescription._grouped,
    "uniqueItems": ErrorDescription._repeated,
    **dict.fromkeys(_LIMITS, ErrorDescription._value),
}


def _misjoined(span: Span, mistake: tuple[int, str, str]) -> Diagnostic:
    """The error for a key and its value without a colon and a space between them."""
    place, message, expected = mistake
    return span.after(place).diagnostic(Code.SYNTAX, message, expected="`KEY: VALUE`" if span.hidden else expected)


def _kind(value: Any) -> str:
    """The type of a value in words. Tests bool first, because bool is a subclass of int."""
    kinds: list[tuple[type, str]] = [(bool, "boolean"), (int, "integer"), (float, "number"), (str, "string")]
    kinds += [(list, "array"), (dict, "object"), (type(None), "null")]
    return _TYPES[next(name for kind, name in kinds if isinstance(value, kind))]


def _crop(text: str) -> str:
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
