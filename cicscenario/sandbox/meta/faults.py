"""Fault switches of the metadata server: faults of the real server, and of networks."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from cicscenario.errors import InvalidError


@dataclass(frozen=True)
class MetaFaults:
    """The switches; all are off by default. Requests are counted from 1, without OPTIONS."""

    strict: bool = False  #: an invalid signature is refused with 403; the real server accepts it
    parallel_put_hang: bool = False  #: a PUT during another PUT is neither stored nor answered
    truncate_non_ascii: bool = False  #: Content-Length counts UTF-16 units instead of bytes, as in the real server
    expired_key: bool = False  #: a document is answered with 200 and lost, as with an expired key of the real server
    error_every: int = 0  #: each N-th request is answered with 500
    drop_every: int = 0  #: the connection of each N-th request is closed without an answer
    delay: float = 0.0  #: seconds before each request is handled


_NAMES = {field.name.replace("_", "-"): field for field in fields(MetaFaults)}


def parse(switches: Iterable[str]) -> MetaFaults:
    """Reads switches written ``NAME`` or ``NAME=VALUE``. Raises InvalidError for an unknown name or a wrong value."""
    faults = MetaFaults()
    for switch in switches:
        name, equals, value = switch.partition("=")
        if name not in _NAMES:
            raise InvalidError(f"--fault {switch}: unknown", hint=f"The faults are {', '.join(_NAMES)}.")
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
