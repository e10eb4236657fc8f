"""Switches that make the server misbehave: as the real one does, or as networks do."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from cicscenario.errors import InvalidError


@dataclass(frozen=True)
class MetaFaults:
    """Which are on; all are off at first. Requests are counted from 1, OPTIONS apart."""

    strict: bool = False  #: a signature that is not valid is refused with 403, which the real server does not do
    parallel_put_hang: bool = False  #: a PUT while another one is under way is neither stored nor ever answered
    truncate_non_ascii: bool = False  #: Content-Length counts UTF-16 units, as the real server's does
    expired_key: bool = False  #: what is written is answered and lost, as once the real server's key has expired
    error_every: int = 0  #: each n-th request is answered with 500
    drop_every: int = 0  #: the connection of each n-th request is closed without an answer
    delay: float = 0.0  #: seconds before each request is looked at


_NAMES = {field.name.replace("_", "-"): field for field in fields(MetaFaults)}


def parse(switches: Iterable[str]) -> MetaFaults:
    """From ``NAME`` or ``NAME=VALUE`` each. Raises InvalidError for one that is unknown or has a wrong value."""
    faults = MetaFaults()
    for switch in switches:
        name, equals, value = switch.partition("=")
        if name not in _NAMES:
            raise InvalidError(f"--fault {switch}: unknown", hint=f"There are {', '.join(_NAMES)}.")
        field = _NAMES[name]
        if isinstance(field.default, bool):
            if equals:
                raise InvalidError(f"--fault {switch}: {name} takes no value")
            faults = replace(faults, **{field.name: True})
        else:
            faults = replace(faults, **{field.name: _positive(switch, type(field.default), value)})
    return faults


def _positive(switch: str, kind: Any, text: str) -> Any:
    try:
        number = kind(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise InvalidError(f"--fault {switch}: expected NAME={'SECONDS' if kind is float else 'N'}, above 0")
    return number
