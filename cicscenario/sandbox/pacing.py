"""Which pace a sandbox has: chosen at its start, and changed by ``stack up`` only, which starts its twins again."""

from collections.abc import Callable, Collection
from pathlib import Path

from cicscenario.errors import InvalidError, StateRefusedError
from cicscenario.sandbox.pace import FAST, PACES
from cicscenario.sandbox.record import Record
from cicscenario.sandbox.services import SERVICES


def require_pace(pace: str | None) -> None:
    """Raises InvalidError unless it is a pace, or None."""
    if pace is not None and pace not in PACES:
        raise InvalidError(f"unknown pace: {pace}", hint=f"--pace is one of: {', '.join(PACES)}")


def paced(running: Collection[str]) -> list[str]:
    """Those of these services that have a pace."""
    return [name for name, service in SERVICES.items() if service.has_pace and name in running]


def refused(folder: Path, has: str, asked: str) -> StateRefusedError:
    """The error for a run that asks for another pace than that of the sandbox in ``folder``, which is up."""
    return StateRefusedError(
        f"the sandbox in {folder} is up with --pace {has}, not {asked}",
        hint=f"`cicscenario stack up --pace {asked}` starts its services again with it; or leave --pace out. Nothing was"
        " changed",
    )


def settle(
    record: Record, asked: str | None, running: Collection[str], may_change: Callable[[], object] | None, folder: Path
) -> list[str]:
    """Notes the pace of a start in the record. Gives the services that must be started again for it.

    ``asked`` is None for the pace of the services that run, and the fast one if none of them has a pace. ``may_change`` raises
    when the pace of services that run must stay; None: it must. Raises InvalidError for an unknown pace.
    """
    require_pace(asked)
    having = paced(running)
    wanted = asked or (record.pace if having else FAST)
    again = having if wanted != record.pace else []
    if again and may_change is None:
        raise refused(folder, record.pace, wanted)
    if again and may_change is not None:
        may_change()
    record.pace = wanted
    return again
