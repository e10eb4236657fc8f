"""Parses JSON from outside: bounded size and depth, and only what JSON has. Every reader of JSON in the package uses it."""

import json
import re
from collections.abc import Callable
from math import isfinite
from typing import Any

DEEPEST = 100  #: levels; nothing of the stack's has more than ten, and code that walks over a value has a limited stack
LONGEST = 256_000_000  #: characters

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


class JsonTextError(ValueError):
    """A text that is not JSON, or that is deeper or longer than allowed. The message is the reason, without the text."""


def parse_json(text: str | bytes, *, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """The value of a JSON text. Bytes are UTF-8, UTF-16 or UTF-32. Raises JsonTextError.

    Refuses NaN, infinity, and numbers too large for a float, which JSON does not have, and text nested more than
    ``DEEPEST`` levels. ``pairs`` makes something else than a dict of an object's keys and values.
    """
    if len(text) > LONGEST:
        raise JsonTextError(f"it has {len(text):,} characters, expected at most {LONGEST:,}")
    try:
        if isinstance(text, bytes):
            text = text.decode(_encoding(text))
        if text.count("[") + text.count("{") > DEEPEST:
            _refuse_deep(text.encode("utf-8", "surrogatepass"))
        return (_DECODER if pairs is None else _decoder(pairs)).decode(text)
    except JsonTextError:
        raise
    except UnicodeError:
        raise JsonTextError("it is not JSON (no UTF-8 text)") from None
    except json.JSONDecodeError as error:
        raise JsonTextError(
            f"it is not JSON (line {error.lineno}, column {error.colno}: {error.msg.lower()})"
        ) from None
    except (ValueError, RecursionError):  # ValueError: a number of more digits than Python converts
        raise JsonTextError("it is not JSON (a number has too many digits)") from None


def _decoder(pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> json.JSONDecoder:
    return json.JSONDecoder(parse_float=_finite, parse_constant=_refuse, object_pairs_hook=pairs)


def _encoding(data: bytes) -> str:
    head = data[:4]
    return "utf-8" if head.isascii() and 0 not in head else json.detect_encoding(data)  # the former is faster


def _refuse_deep(data: bytes) -> None:
    """Raises JsonTextError when brackets are nested more than ``DEEPEST`` levels; those in strings do not count."""
    brackets = data.translate(None, _NOT_BRACKETS)
    if len(brackets) <= DEEPEST:
        return
    for _ in range(DEEPEST):  # each round takes the innermost level away; usual values have few
        shorter = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not shorter:
            return
        if len(shorter) == len(brackets):
            break
        brackets = shorter
    depth = 0
    for token in _TOKEN.finditer(data):  # exact, and slow
        sign = data[token.start()]
        depth += (sign in b"[{") - (sign in b"]}")
        if depth > DEEPEST:
            raise JsonTextError(f"it is nested more than {DEEPEST} levels deep")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise JsonTextError("it is not JSON (a number is too large)")
    return number


def _refuse(constant: str) -> Any:
    raise JsonTextError(f"it is not JSON (it has {constant})")


_DECODER = _decoder()  # made once: there is a call for each answer of a service
