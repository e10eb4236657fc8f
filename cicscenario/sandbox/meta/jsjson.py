"""JSON as JavaScript reads and writes it: numbers are doubles, and an object's integer keys come first."""

import json
import math
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

_SAFE_DIGITS = 15  # an integer with at most so many digits is exact in a double
_EXPONENT_FROM = 1e21  # JavaScript writes smaller integers without an exponent
_POINT_FROM = 1e-6  # JavaScript writes fractions from here on without an exponent; Python from 1e-4 on
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_ARRAY_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_LARGEST_INDEX = 2**32 - 2


class NotJsonError(ValueError):
    """The text is not JSON, or is nested too deeply."""


def loads(text: str | bytes) -> Any:
    """The result of ``JSON.parse``. Bytes are decoded as UTF-8; invalid ones are replaced. Raises NotJsonError."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    try:
        return json.loads(text, parse_int=_whole, parse_float=_number, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise NotJsonError(str(error)) from None


def dumps(value: Any) -> str:
    """The result of ``JSON.stringify``: without spaces, non-ASCII characters unescaped, lone surrogates escaped."""
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        if "e-0" in text:  # may be a small fraction, the only kind of number that Python writes in another way
            text = "".join(_pieces(value))
    except ValueError:
        text = "".join(_pieces(value))
    return text if text.isascii() else _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def utf16_length(text: str) -> int:
    """The number of UTF-16 units, which is JavaScript's ``String.length``."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf16_units(text: str) -> list[str]:
    """The UTF-16 units of a string, which JavaScript treats as its characters; surrogate pairs are split."""
    units = text.encode("utf-16-le", "surrogatepass")
    return [units[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(units), 2)]


def in_object_order(keys: Iterable[str]) -> list[str]:
    """``keys`` in the order in which a JavaScript object lists them after they were added in the given order."""
    listed = list(keys)
    if not any(key[:1].isdigit() for key in listed):
        return listed
    indexes = [key for key in listed if _ARRAY_INDEX.fullmatch(key) and int(key) <= _LARGEST_INDEX]
    chosen = set(indexes)
    return sorted(indexes, key=int) + [key for key in listed if key not in chosen]


def _refuse(name: str) -> Any:
    raise NotJsonError(f"{name} is not JSON")


def _whole(text: str) -> int | float:
    return int(text) if len(text) <= _SAFE_DIGITS else _number(text)


def _number(text: str) -> int | float:
    number = float(text)
    if number.is_integer() and abs(number) < _EXPONENT_FROM:
        return int(Decimal(repr(number)))  # the shortest digits, not the exact value, as JavaScript writes it
    return number


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, float):
        yield _fraction(value)
    elif isinstance(value, dict):
        for number, (key, member) in enumerate(value.items()):
            yield f"{',' if number else '{'}{json.dumps(key, ensure_ascii=False)}:"
            yield from _pieces(member)
        yield "}" if value else "{}"
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield "," if number else "["
            yield from _pieces(member)
        yield "]" if value else "[]"
    else:
        yield json.dumps(value, ensure_ascii=False)


def _fraction(number: float) -> str:
    if not math.isfinite(number):
        return "null"
    if _POINT_FROM <= abs(number) < 1:
        return f"{Decimal(repr(number)):f}"
    return repr(number).replace("e-0", "e-")
