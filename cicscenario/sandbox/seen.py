"""What others may know of a sandbox that is up: addresses, users, files with passwords, logs, pace, and faults that are on."""

from collections.abc import Mapping
from pathlib import Path

from cicscenario.errors import InvalidError, UnavailableError
from cicscenario.sandbox.daemon import Daemon
from cicscenario.sandbox.pacing import paced
from cicscenario.sandbox.record import ENVIRONMENT, RECORD, read_record
from cicscenario.sandbox.services import SERVICES
from cicscenario.sandbox.services.base import Site
from cicscenario.sandbox.switches import switched_on


def look(home: Path) -> Site:
    """The sandbox in ``home``, with the services that run. Starts nothing. Raises UnavailableError when none runs."""
    folder = (home / "sandbox").absolute()
    record = read_record(folder / RECORD)
    running = frozenset(name for name in SERVICES if pid_of(folder, name) is not None)
    if record is None or not running:
        raise UnavailableError(f"the sandbox in {folder} is not up", hint="start it: cicscenario stack up")
    return Site(folder, record, running)


def pid_of(folder: Path, service: str) -> int | None:
    """The process of a service of the sandbox in ``folder``; None when it is down."""
    return Daemon(service, folder).pid()


def variables(home: Path) -> dict[str, str]:
    """The addresses, users and files of all running services, by names of environment variables. No secret is in it."""
    site = look(home)
    found = {"CIC_ENVIRONMENT": str(site.folder / ENVIRONMENT), "CIC_PACE": site.record.pace}
    for name, service in SERVICES.items():
        if name in site.running:
            found |= {f"CIC_{key}": value for key, value in service.variables(site).items()}
    return found


def faults_on(home: Path) -> Mapping[str, list[str]]:
    """For each running service, the faults that are on, as ``SERVICE.NAME[=VALUE]``."""
    site = look(home)
    return {name: switched_on(name, site.record.options.get(name, [])) for name in SERVICES if name in site.running}


def faults_of(environment: Path) -> tuple[str, ...]:
    """The faults that are on in the sandbox whose environment file this is; none when it is that of something else."""
    if (home := _home_of(environment)) is None:
        return ()
    try:
        return tuple(fault for faults in faults_on(home).values() for fault in faults)
    except UnavailableError:  # no service of it runs, so none fails on purpose
        return ()


def pace_of(environment: Path) -> str | None:
    """The pace of the sandbox whose environment file this is: fast or real. None when no service that has a pace runs there."""
    if (home := _home_of(environment)) is None:
        return None
    try:
        site = look(home)
    except UnavailableError:
        return None
    return site.record.pace if paced(site.running) else None


def _home_of(environment: Path) -> Path | None:
    """The home folder of a sandbox, by its environment file; None when the file is that of something else."""
    place = environment.resolve()
    is_sandbox = place.name == ENVIRONMENT and place.parent.name == "sandbox" and (place.parent / RECORD).exists()
    return place.parent.parent if is_sandbox else None


def log_of(home: Path, service: str) -> Path:
    """The log of a service, of its last start. Raises InvalidError when it was never started in this sandbox."""
    path = Daemon(service, (home / "sandbox").absolute()).log
    if not path.exists():
        raise InvalidError(
            f"{service} was never started in the sandbox in {path.parent}",
            hint=f"start it: cicscenario stack up --service {service}",
        )
    return path
