"""``cicscenario stack``: starts, stops and shows the sandbox."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from cicscenario.cli.atwork import at_work
from cicscenario.engine.events import ServiceStarting
from cicscenario.errors import ExitCode
from cicscenario.printable import json_text, say
from cicscenario.sandbox import stack
from cicscenario.sandbox.services import available


def up(
    home: Path,
    *,
    node: str | None,
    contracts: str | None,
    services: Sequence[str] = (),
    faults: Sequence[str] = (),
    dialect: str | None = None,
) -> ExitCode:
    """Starts ``services`` of the sandbox (none named: all that are installed), unless they are up already."""
    with at_work("starting the sandbox") as listener:
        info = stack.up(
            home,
            services=services or available(),
            node=node,
            contracts=contracts,
            faults=faults or None,
            dialect=dialect,
            progress=lambda *what: listener(ServiceStarting(*what)),
        )
    say(f"the sandbox {'is up' if info.started else 'was up already'}; its environment file is {info.environment}")
    return ExitCode.OK


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
        say(_table(services))
    else:
        say(f"there is no sandbox in {home}; `cicscenario stack up` starts one")
    return ExitCode.OK if services and all(s.state == "up" for s in services) else ExitCode.UNAVAILABLE


def _table(services: list[stack.ServiceStatus]) -> str:
    rows = [("service", "state", "pid", "address", "")]
    rows += [(s.name, s.state, str(s.pid or "-"), s.address, s.detail) for s in services]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)
