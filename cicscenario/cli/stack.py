"""``cicscenario stack``: starts, stops and shows the sandbox."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from cicscenario.cli.atwork import at_work
from cicscenario.cli.stacknames import require_faults, require_service
from cicscenario.engine.events import ServiceStarting
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.printable import json_text, say
from cicscenario.report.columns import columns
from cicscenario.sandbox import stack
from cicscenario.sandbox.ports import UPSTREAM, from_base
from cicscenario.sandbox.services import available
from cicscenario.sandbox.starting import Progress

_LOWEST = 1024  # port that a program of a user may have


def up(
    home: Path,
    *,
    node: str | None,
    contracts: str | None,
    services: Sequence[str] = (),
    faults: Sequence[str] = (),
    dialect: str | None = None,
    pace: str | None = None,
    ports: Mapping[str, int] | None = None,
) -> ExitCode:
    """Starts ``services`` of the sandbox (none named: all that are installed), unless they are up already."""
    for name in services:
        require_service(name)
    require_faults(faults)
    with starting() as progress:
        info = stack.up(
            home,
            services=services or available(),
            node=node,
            contracts=contracts,
            faults=faults or None,
            dialect=dialect,
            pace=pace,
            ports=ports,
            progress=progress,
        )
    say(f"the sandbox {'is up' if info.started else 'was up already'}; its environment file is {info.environment}")
    return ExitCode.OK


@contextmanager
def starting() -> Iterator[Progress]:
    """While the sandbox starts, says what goes on (see ``at_work``). Gives what is to be told of its services."""
    with at_work("starting the sandbox") as listener:
        yield lambda *what: listener(ServiceStarting(*what))


def chosen_ports(base: int | None, *, upstream: bool) -> Mapping[str, int] | None:
    """The ports that the options name: None when they name none, empty when any will do. Raises InvalidError for both."""
    if upstream and base is not None:
        raise InvalidError(
            "--port-base and --upstream-ports are two choices of the same ports", hint="give one of them"
        )
    if upstream:
        return UPSTREAM
    if base and base < _LOWEST:
        raise InvalidError(
            f"--port-base {base}: the ports below {_LOWEST} are not for users", hint=f"0, or {_LOWEST} to 65531"
        )
    return None if base is None else from_base(base) if base else {}


def down(home: Path, *, purge: bool) -> ExitCode:
    """Stops the sandbox; ``purge`` also deletes its data."""
    with at_work("stopping the sandbox"):
        was_up = stack.down(home, purge=purge)
    said = "the sandbox is down" if was_up else "the sandbox was not up"
    say(said + ("; its data is deleted" if purge else ""))
    return ExitCode.OK


def status(home: Path, *, fmt: str) -> ExitCode:
    """Shows every daemon, as a table or as JSON. Returns UNAVAILABLE when one is down or there is no sandbox."""
    services = stack.status(home)
    if fmt == "json":
        say(json_text([asdict(service) for service in services], indent=2))
    elif services:
        rows = [("service", "state", "pid", "address", "")]
        rows += [(s.name, s.state, str(s.pid or "-"), s.address, s.detail) for s in services]
        for line in columns(rows):
            say(line)
    else:
        say(f"there is no sandbox in {home}; `cicscenario stack up` starts one")
    return ExitCode.OK if services and all(s.state == "up" for s in services) else ExitCode.UNAVAILABLE
