"""``cicscenario stack faults``: shows the fault switches of the sandbox's services, and turns them on and off."""

from collections.abc import Sequence
from pathlib import Path

from cicscenario.cli.atwork import at_work
from cicscenario.cli.stacknames import require_faults
from cicscenario.errors import ExitCode, UnavailableError
from cicscenario.printable import json_text, say
from cicscenario.sandbox.faultnames import FAULTS
from cicscenario.sandbox.seen import faults_on
from cicscenario.sandbox.switches import check_faults, cleared_faults, name_of, set_faults
from cicscenario.sandbox.switching import change_faults


def listed(home: Path, fmt: str) -> ExitCode:
    """Prints every switch, what it does, and whether it is on. Those of services that are down are off."""
    try:
        on = [fault for faults in faults_on(home).values() for fault in faults]
        up = True
    except UnavailableError:
        on, up = [], False
    given = {name: [fault.partition("=")[2] for fault in on if name_of(fault) == name] for name in FAULTS}
    if fmt == "json":
        rows = [{"name": name, "on": bool(given[name]), "values": given[name], "does": FAULTS[name]} for name in FAULTS]
        say(json_text(rows, indent=2))
        return ExitCode.OK
    width = max(map(len, FAULTS))
    for name, does in FAULTS.items():
        values = ", ".join(filter(None, given[name]))
        said = f"on{'=' if values else ''}{values}" if given[name] else "off"
        say(f"{name:<{width}}  {said:<8}  {does}")
    if not up:
        say(f"the sandbox in {home / 'sandbox'} is not up: all are off")
    return ExitCode.OK


def turned_on(home: Path, faults: Sequence[str]) -> ExitCode:
    """Turns faults on; what else is on stays on. Raises InvalidError, before it changes anything, for a wrong name or value."""
    require_faults(faults)
    check_faults(faults)
    services = dict.fromkeys(fault.partition(".")[0] for fault in faults)
    with at_work("starting services again"):
        changed = change_faults(home, services, lambda service, options: set_faults(service, options, faults))
    say(_said(changed, "on already"))
    return ExitCode.OK


def turned_off(home: Path, names: Sequence[str]) -> ExitCode:
    """Turns the faults of these names off; all of them when there is no name."""
    require_faults(names)
    services = dict.fromkeys(name.partition(".")[0] for name in names) or None
    wanted = {name_of(name) for name in names} if names else None
    with at_work("starting services again"):
        changed = change_faults(home, services, lambda service, options: cleared_faults(service, options, wanted))
    say(_said(changed, "off already"))
    return ExitCode.OK


def _said(changed: Sequence[str], nothing: str) -> str:
    return f"started again: {', '.join(changed)}" if changed else f"nothing was changed: {nothing}"
