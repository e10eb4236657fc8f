"""What a start of the sandbox asks for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cicscenario.sandbox.services import options_of, with_needs


@dataclass(frozen=True)
class StartRequest:
    """What ``stack.up`` or ``stack.sandbox`` asks for. With ``options`` None, running services keep their options."""

    services: tuple[str, ...]
    node: str | None
    contracts: str | None
    options: dict[str, list[str]] | None
    temporary: bool = field(kw_only=True)
    ports: Mapping[str, int] | None = None
    pace: str | None = None
    may_change_pace: bool = False  #: whether services that run may be started again with another pace


def start_request(
    services: Iterable[str],
    node: str | None,
    contracts: str | None,
    faults: Sequence[str] | None,
    dialect: str | None,
    pace: str | None,
    *,
    temporary: bool,
) -> StartRequest:
    """The request for ``services`` and those that they need. Raises what ``with_needs`` and ``options_of`` raise."""
    names = with_needs(services)
    options = None if faults is None and dialect is None else options_of(faults or (), dialect)
    return StartRequest(names, node, contracts, options, temporary=temporary, pace=pace)
