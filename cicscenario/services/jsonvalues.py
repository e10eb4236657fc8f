"""JSON values that the metadata server can keep, and when two of them are the same."""

import math
from typing import Any

from cicscenario.errors import InvalidError

_SAFE = 2**53  # from here on the server's numbers, IEEE 754 doubles, skip integers
_DEEPEST = 100  # levels; nothing of the stack's has more than six


def refuse_unfit(value: Any) -> None:
    """Raises InvalidError, with the place, for what would kill the server or come back as something else.

    Source: cic-meta dies of null and of empty keys, rounds large integers, and drops the key ``__proto__``.
    """
    _refuse(value, "", 0)


def _refuse(value: Any, where: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise _unfit(where, f"is nested more than {_DEEPEST} levels deep")
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_key(key, where)
            _refuse(item, f"{where}.{key}" if where else key, depth + 1)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            _refuse(item, f"{where}[{number}]", depth + 1)
    elif reason := _scalar_problem(value):
        raise _unfit(where, reason)


def _refuse_key(key: Any, where: str) -> None:
    if not isinstance(key, str):
        raise _unfit(where, f"has a key that is not text: {key!r:.50}")
    if key in ("", "__proto__"):
        raise _unfit(where, f"has the key {key!r}, which the metadata server cannot keep")
    if not _encodable(key):
        raise _unfit(where, "has a key that is not Unicode text")


def _scalar_problem(value: Any) -> str | None:
    if value is None:
        return "is null, which kills the metadata server"
    if isinstance(value, str):
        return None if _encodable(value) else "is not Unicode text"
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return "is an integer of 2^53 or more, which would lose digits" if abs(value) >= _SAFE else None
    if isinstance(value, float):
        return None if math.isfinite(value) else "is not a finite number"
    return f"is of type {type(value).__name__}, which JSON does not have"


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unfit(where: str, reason: str) -> InvalidError:
    return InvalidError(f"not to be stored as metadata: {where or 'the value'} {reason}")


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: ``1`` is ``1.0``, but not ``true``; the order of keys does not count."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(item, other[key]) for key, item in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def equal_entry(found: Any, wanted: Any) -> bool:
    """Whether an entry has the value that it should have: the same JSON, where an address may be spelled in any way.

    An address that is the whole entry (a phone pointer) may be in upper or lower case, with or without 0x: the old tools
    wrote several spellings, and compare them like this.
    """
    if isinstance(found, str) and isinstance(wanted, str):
        return found == wanted or (address_of(found) is not None and address_of(found) == address_of(wanted))
    return found is not None and same(found, wanted)


def address_of(value: object) -> bytes | None:
    """The 20 bytes of a value that is an address: hexadecimal in any case, with or without 0x. None for any other value."""
    if not isinstance(value, str):
        return None
    digits = value[2:] if value[:2] in ("0x", "0X") else value
    try:
        return bytes.fromhex(digits) if len(digits) == 40 else None
    except ValueError:
        return None


def contains(whole: Any, part: dict[str, Any]) -> bool:
    """Whether every key of ``part`` is in ``whole`` with the same value: what a shallow merge leaves."""
    return isinstance(whole, dict) and all(key in whole and same(whole[key], item) for key, item in part.items())
