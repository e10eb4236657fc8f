"""Names of services and faults as a user gives them: an unknown one is told with the name that is most like it."""

from collections.abc import Iterable

from cicscenario.errors import InvalidError
from cicscenario.language.diagnostic import nearest
from cicscenario.sandbox.faultnames import FAULTS
from cicscenario.sandbox.services import SERVICES
from cicscenario.sandbox.switches import check_name, name_of


def require_service(name: str) -> None:
    """Raises InvalidError unless the sandbox has such a service."""
    if name not in SERVICES:
        raise InvalidError(f"the sandbox has no service {name!r}", hint=_hint(name, SERVICES, "its services are"))


def require_faults(faults: Iterable[str]) -> None:
    """Raises InvalidError unless there is a fault with each of these names, which may have a value behind them."""
    for fault in faults:
        name = name_of(fault)
        try:
            check_name(name)
        except InvalidError as error:
            raise InvalidError(error.message, hint=_hint(name, FAULTS, "the faults are")) from None


def _hint(name: str, known: Iterable[str], told: str) -> str:
    guess = nearest(name, known)
    return f"did you mean {guess}?" if guess else f"{told}: {', '.join(known)}"
