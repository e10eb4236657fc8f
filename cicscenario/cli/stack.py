"""``cicscenario stack``: starts, stops and shows the sandbox."""

import json
from dataclasses import asdict
from pathlib import Path

from cicscenario.errors import ExitCode
from cicscenario.sandbox import stack


def up(home: Path, *, node: str | None, contracts: str | None) -> ExitCode:
    """Starts the sandbox, or finds it."""
    info = stack.up(home, node=node, contracts=contracts)
    print(f"the sandbox {'is up' if info.started else 'was up already'}; its environment file is {info.environment}")
    return ExitCode.OK


def down(home: Path, *, purge: bool) -> ExitCode:
    """Stops the sandbox; ``purge`` deletes its chain too."""
    was_up = stack.down(home, purge=purge)
    said = "the sandbox is down" if was_up else "the sandbox was not up"
    print(said + ("; its data was deleted" if purge else ""))
    return ExitCode.OK


def status(home: Path, *, fmt: str) -> ExitCode:
    """Shows every daemon; OK only when all of them are up."""
    services = stack.status(home)
    if fmt == "json":
        print(json.dumps([asdict(service) for service in services], indent=2))
    elif not services:
        print(f"there is no sandbox in {home}; `cicscenario stack up` makes one")
    for service in services if fmt != "json" else []:
        print(f"{service.name:<8}{service.state:<8}{service.pid or '-':<9}{service.address}  {service.detail}")
    return ExitCode.OK if services and all(s.state == "up" for s in services) else ExitCode.UNAVAILABLE
