"""JSON as JavaScript reads and writes it: numbers are doubles, and whole-number keys of an object come first."""

import json
import math
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

_SAFE_DIGITS = 15  # any whole number this long is exact in a double
_EXPONENT_FROM = 1e21  # JavaScript writes smaller whole numbers without an exponent
_POINT_FROM = 1e-6  # and fractions from here on; Python changes over at 1e-4
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_ARRAY_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_LARGEST_INDEX = 2**32 - 2


class NotJsonError(ValueError):
    """This is not JSON, or nested too deeply."""


def loads(text: str | bytes) -> Any:
    """What ``JSON.parse`` makes of it; bytes are read as UTF-8, never refused. Raises NotJsonError."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    try:
        return json.loads(text, parse_int=_whole, parse_float=_number, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise NotJsonError(str(error)) from None


def dumps(value: Any) -> str:
    """What ``JSON.stringify`` makes of it: no blanks, non-ASCII as it is, lone surrogates escaped."""
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        if "e-0" in text:  # perhaps a small fraction: the one number Python writes otherwise
            text = "".join(_pieces(value))
    except ValueError:
        text = "".join(_pieces(value))
    return text if text.isascii() else _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def utf16_length(text: str) -> int:
    """What ``String.length`` is: the number of UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf16_units(text: str) -> list[str]:
    """What a string's characters are to JavaScript: its UTF-16 units, halves of pairs too."""
    units = text.encode("utf-16-le", "surrogatepass")
    return [units[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(units), 2)]


def in_object_order(keys: Iterable[str]) -> list[str]:
    """The order in which a JavaScript object lists ``keys`` that were added in this order."""
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
        return int(Decimal(repr(number)))  # its shortest digits, not its exact value: as it will be written again
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
