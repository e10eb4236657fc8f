"""The fault switches of all services: which are on, and what a change makes of a service's options.

Names and values are checked as the service itself does at its start, before any service is stopped.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from cicscenario.errors import InvalidError
from cicscenario.sandbox.faultnames import FAULTS

_OPTION = "--fault"


def check_faults(faults: Iterable[str]) -> None:
    """Raises InvalidError unless each is ``SERVICE.NAME`` or ``SERVICE.NAME=VALUE`` with a name and a value that exist."""
    for fault in faults:
        name = name_of(fault)
        check_name(name)
        service, _, switch = fault.partition(".")
        try:
            _parsers()[service]([switch])
        except (ValueError, InvalidError) as error:
            reason = str(error).removeprefix(f"{_OPTION} {switch}: ")
            raise InvalidError(f"the fault {fault}: {reason}", hint=f"{name}: {FAULTS[name]}") from None


def check_name(name: str) -> None:
    """Raises InvalidError unless there is a fault ``SERVICE.NAME``."""
    service, dot, switch = name.partition(".")
    if not dot or not switch:
        raise InvalidError(
            f"not a fault: {name!r}", hint="write SERVICE.NAME or SERVICE.NAME=VALUE, such as custodial.signer-down"
        )
    if name not in FAULTS:
        known = [known for known in FAULTS if known.startswith(f"{service}.")]
        raise InvalidError(f"there is no fault {name!r}", hint=f"the faults are: {', '.join(known or FAULTS)}")


def name_of(fault: str) -> str:
    """``SERVICE.NAME`` of a fault that may have a value."""
    return fault.partition("=")[0]


def switched_on(service: str, options: Sequence[str]) -> list[str]:
    """The faults in the options of a service, as ``SERVICE.NAME[=VALUE]``."""
    return [f"{service}.{value}" for option, value in pairwise(options) if option == _OPTION]


def with_faults(service: str, options: Sequence[str], faults: Iterable[str]) -> list[str]:
    """The options of a service with these of its faults instead of those that it has."""
    rest: list[str] = []
    words = iter(options)
    for word in words:
        if word == _OPTION:
            next(words)
        else:
            rest.append(word)
    return [word for fault in faults for word in (_OPTION, fault.removeprefix(f"{service}."))] + rest


def set_faults(service: str, options: Sequence[str], faults: Sequence[str]) -> list[str]:
    """The options with ``faults`` on: each replaces what was given for its name, the others stay as they are."""
    given = {name_of(fault) for fault in faults}
    kept = [fault for fault in switched_on(service, options) if name_of(fault) not in given]
    return with_faults(service, options, [*kept, *(fault for fault in faults if fault.startswith(f"{service}."))])


def cleared_faults(service: str, options: Sequence[str], names: Iterable[str] | None) -> list[str]:
    """The options without the faults of these names; without any when ``names`` is None."""
    kept = [fault for fault in switched_on(service, options) if names is not None and name_of(fault) not in names]
    return with_faults(service, options, kept)


def _parsers() -> Mapping[str, Callable[[Sequence[str]], Any]]:
    from cicscenario.sandbox.custodial.faults import EngineFaults
    from cicscenario.sandbox.meta.faults import parse
    from cicscenario.sandbox.ussd.faults import parse_faults

    return {"custodial": EngineFaults.parse, "meta": parse, "ussd": parse_faults}
