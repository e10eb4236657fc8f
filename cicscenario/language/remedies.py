"""What a person meant by a value that a key does not take, as it is to be written."""

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from cicscenario.language.amounts import amount, has_unit
from cicscenario.language.amounts import written as number_text
from cicscenario.language.diagnostic import nearest
from cicscenario.language.formats import FORMATS
from cicscenario.language.nodes import resolve
from cicscenario.language.schema import Schema

Valid = Callable[[Any, Schema], bool]  #: whether a value is valid for a schema

_SWITCHES = ("yes", "no", "on", "off", "y", "n")  #: true and false for other readers of YAML
_TRUE = ("yes", "on", "y", "true", "t", "1", "enabled")
_FALSE = ("no", "off", "n", "false", "f", "0", "none", "disabled")


def meant(value: Any, written: str | None, schema: Schema, valid: Valid) -> str | None:
    """The text to write instead of a value of the wrong type or form; None when nothing valid is near.

    ``written`` is the text of a single value in the file. What is returned is valid for the schema.
    """
    for candidate in _candidates(value, written, schema, valid):
        if valid(candidate, schema):
            return flow(candidate)
    return None


def flow(value: Any) -> str:
    """A value as YAML on one line. Texts that YAML would read as something else have quotes."""
    if isinstance(value, str):
        free = re.fullmatch(r"[A-Za-z_](?:[\w./-]*[\w/])?", value) and isinstance(resolve(value), str)
        return value if free and value.casefold() not in _SWITCHES else json.dumps(value, ensure_ascii=False)
    if isinstance(value, Decimal):
        return number_text(value)
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {flow(item)}' for key, item in value.items())}}}"
    return "" if value is None else json.dumps(value)


def _types(schema: Schema) -> list[str]:
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _candidates(value: Any, written: str | None, schema: Schema, valid: Valid) -> Iterator[Any]:
    """Values that may have been meant, the most probable first."""
    kinds = _types(schema)
    unit = schema.get("x-unit")
    if isinstance(value, list) and len(value) == 1 and "array" not in kinds:
        yield value[0]
    for kind in kinds:
        if kind == "boolean":
            yield from _truth(value)
        elif kind in ("integer", "number"):
            yield from _numbers(value, unit)
        elif kind == "string" and not isinstance(value, list | dict):
            yield from _texts(value, written, schema)
        elif kind == "array":
            yield from _lists(value, schema, valid)
        elif kind == "object":
            yield from _mappings(value, schema, valid)


def _truth(value: Any) -> Iterator[bool]:
    word = str(value).strip(" ,;").casefold()
    if word in _TRUE or word in _FALSE:
        yield word in _TRUE


def _numbers(value: Any, unit: str | None) -> Iterator[Any]:
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, str):
        text = value[1:] if re.match(r"v[0-9]", value) else value
        number = amount(text, unit)
    else:
        number = Decimal(str(value)) if isinstance(value, int | float) else None
    if number is not None:
        yield _plain(number)
        if isinstance(value, str) and has_unit(value):
            return
        if unit == "share":
            yield _plain(number / 100)
        if unit == "seconds":
            yield _plain(number / 1000)


def _plain(number: Decimal) -> Any:
    return int(number) if number == number.to_integral_value() else float(number)


def _texts(value: Any, written: str | None, schema: Schema) -> Iterator[str]:
    if value is None:
        return
    text = written if written is not None else str(value)
    if schema.get("x-unit") == "percent":
        yield from _percentages(text)
    if schema.get("x-unit") == "days" and (days := amount(text, "days")) is not None:
        yield f"{number_text(days)} day{'s' if days != 1 else ''}"
    known = FORMATS.get(schema.get("format", ""))
    if known:
        yield from known.meant(text)
    if known is None or not isinstance(value, bool):
        yield text
    yield text.strip(" ,;.")
    if "enum" in schema:
        guess = nearest(text, map(str, schema["enum"]))
        yield from [guess] if guess else []
    elif "pattern" in schema:
        yield re.sub(r"[^a-z0-9._-]+", "-", text.casefold()).strip("-._")


def _percentages(text: str) -> Iterator[str]:
    number = amount(text, "percent")
    if number is not None:
        shares = [number * 100, number] if 0 < abs(number) < 1 and not has_unit(text) else [number]
        signed = [f"{'-' if share < 0 else '+'}{number_text(abs(share))}%" for share in shares]
        yield from (*signed, *(text.removeprefix("+") for text in signed))  # a key takes one or the other


def _lists(value: Any, schema: Schema, valid: Valid) -> Iterator[list[Any]]:
    items = schema.get("items", {})
    if isinstance(value, dict):
        yield [name for name, chosen in value.items() if chosen is not False]
    elif isinstance(value, list):
        yield [one for item in value for one in (item if isinstance(item, list) else [item])]
        split = [word for item in value for word in (_words(item) if isinstance(item, str) else [item])]
        yield _close(split, items)
    elif isinstance(value, str):
        yield [value]
        yield _close(_words(value), items)
    elif value is not None and not isinstance(value, bool):
        yield [value]
        yield [str(value)]
    if value is True or (isinstance(value, str) and value.casefold() in ("all", "*", "any")):
        yield list(items.get("enum", ()))
    if value is False:
        yield []


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,;|+&\[\]]+|(?:^|\s)-", text) if word and word != "and"]


def _close(words: list[Any], items: Schema) -> list[Any]:
    names = items.get("enum", ())
    return [nearest(str(word), names) or word for word in words] if names else words


def _mappings(value: Any, schema: Schema, valid: Valid) -> Iterator[dict[str, Any]]:
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        yield {key: one for item in value for key, one in item.items()}
    if value is True:
        yield {}
    names = schema.get("propertyNames", {}).get("enum", ())
    if names:
        words = _words(value) if isinstance(value, str) else value if isinstance(value, list) else []
        yield {word: 1 for word in words if isinstance(word, str)}
    if isinstance(value, bool) or value in (None, "", [], {}):
        return
    for name, child in schema.get("properties", {}).items():
        if isinstance(value, str) and child.get("type") == "string" and not {"enum", "format", "pattern"} & set(child):
            continue  # any text would fit
        fitting = next((one for one in (value, [value]) if valid(one, child)), None)
        if fitting is not None:
            yield {name: fitting}
