"""Fault switches of the phone interface, for testing clients."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields

from cicscenario.errors import InvalidError

_SHARES = {"no_callback", "duplicate_callback", "lost_metadata"}


@dataclass(frozen=True)
class UssdFaults:
    """Shares are from 0 to 1. The affected phone numbers are the same in every run."""

    no_callback: float = 0  #: share of phone numbers whose account creation is never reported back
    slow_callback: float = 0  #: seconds by which each report of a new account is delayed
    duplicate_callback: float = 0  #: share of phone numbers whose account creation is reported twice
    lost_metadata: float = 0  #: share of phone numbers whose metadata entries are never written, as by a killed tasker
    error_every: int = 0  #: each N-th request gets status 500 and changes nothing
    meta_delay: float = 0  #: seconds by which each write to the metadata server is delayed


def parse_faults(entries: Sequence[str]) -> UssdFaults:
    """Reads switches such as ``no-callback=0.1``. Raises InvalidError for an unknown fault or a wrong value."""
    values: dict[str, float] = {}
    kinds = {field.name: field.type for field in fields(UssdFaults)}
    for entry in entries:
        name, _, text = entry.partition("=")
        key = name.replace("-", "_")
        if key not in kinds:
            known = ", ".join(known.replace("_", "-") for known in kinds)
            raise InvalidError(f"--fault {entry}: there is no fault {name!r}", hint=f"the faults are {known}")
        values[key] = _value(entry, key, text)
    return UssdFaults(**values)  # type: ignore[arg-type]  # each value has its field's type


def _value(entry: str, key: str, text: str) -> float:
    try:
        value = int(text) if key == "error_every" else float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= (1 if key in _SHARES else 1e9):
        expected = "a share from 0 to 1" if key in _SHARES else "a number from 0 up"
        raise InvalidError(f"--fault {entry}: expected {expected} after the equals sign")
    return value


def is_affected(share: float, fault: str, phone: str) -> bool:
    """Whether this phone number is in the ``share`` of numbers that a fault affects; depends on the number only."""
    number = int.from_bytes(hashlib.sha256(f"{fault}|{phone}".encode()).digest()[:8])
    return number < share * 2**64
