"""The services of the sandbox, in starting order."""

from collections.abc import Iterable, Mapping

from cicscenario.errors import InvalidError, UnavailableError
from cicscenario.sandbox.services.base import ServiceDaemon
from cicscenario.sandbox.services.custodial import CustodialDaemon
from cicscenario.sandbox.services.http import MetaDaemon, UssdDaemon
from cicscenario.sandbox.services.node import NodeDaemon
from cicscenario.sandbox.services.postgres import PostgresDaemon
from cicscenario.sandbox.services.redis import RedisDaemon
from cicscenario.sandbox.switches import check_faults

SERVICES: Mapping[str, ServiceDaemon] = {
    service.name: service
    for service in (NodeDaemon(), RedisDaemon(), PostgresDaemon(), MetaDaemon(), CustodialDaemon(), UssdDaemon())
}


def available() -> tuple[str, ...]:
    """Names of the services whose packages are installed."""
    return tuple(
        name
        for name, service in SERVICES.items()
        if service.is_available() and all(SERVICES[need].is_available() for need in service.needs)
    )


def with_needs(asked: Iterable[str]) -> tuple[str, ...]:
    """``asked`` and the services they need, in starting order.

    Raises InvalidError for an unknown service, and UnavailableError for one whose packages are not installed.
    """
    wanted: set[str] = set()
    for name in asked:
        _require_known(name)
        wanted |= {name, *SERVICES[name].needs}
    for name in wanted:
        if not SERVICES[name].is_available():
            raise UnavailableError(
                f"the sandbox's {name} needs packages that are not installed: {', '.join(SERVICES[name].modules)}",
                hint="pip install 'cicscenario[sandbox]'",
            )
    return tuple(name for name in SERVICES if name in wanted)


def waves(services: Iterable[str]) -> list[list[str]]:
    """``services``, which are complete, in groups that start one after the other; those of a group start at the same time."""
    left = [name for name in SERVICES if name in set(services)]
    groups = []
    while left:
        groups.append([name for name in left if not set(SERVICES[name].after) & set(left)])
        left = [name for name in left if name not in groups[-1]]
    return groups


def options_of(faults: Iterable[str], dialect: str | None = None) -> dict[str, list[str]]:
    """Command line options by service, from faults such as ``SERVICE.NAME[=VALUE]`` and the phone interface's dialect.

    Raises InvalidError for a fault or dialect that there is not, or a value that the fault does not take.
    """
    given = list(faults)
    check_faults(given)
    options: dict[str, list[str]] = {}
    for fault in given:
        service, _, name = fault.partition(".")
        options.setdefault(service, []).extend(["--fault", name])
    if dialect is not None:
        _require_dialect(dialect)
        options.setdefault(UssdDaemon.name, []).extend(["--dialect", dialect])
    return options


def _require_dialect(dialect: str) -> None:
    from cicscenario.sandbox.ussd.menus import DIALECTS

    if dialect not in DIALECTS:
        raise InvalidError(
            f"the phone interface has no dialect {dialect!r}", hint=f"its dialects are: {', '.join(DIALECTS)}"
        )


def _require_known(name: str) -> None:
    if name not in SERVICES:
        raise InvalidError(f"the sandbox has no service {name!r}", hint=f"its services are: {', '.join(SERVICES)}")
