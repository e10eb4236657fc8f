"""Saves the sandbox of a home folder with its runs, and puts it back; see ``cicscenario.sandbox.snapshot``."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from cicscenario.errors import CicScenarioError, InvalidError
from cicscenario.sandbox.record import ENVIRONMENT
from cicscenario.sandbox.snapshot import save as saving
from cicscenario.sandbox.snapshot.container import OpenSnapshot
from cicscenario.sandbox.snapshot.manifest import RUN_NAME
from cicscenario.sandbox.snapshot.restore import Restored, restore
from cicscenario.state.directory import LOCK, directory_lock, is_set_aside, run_folders
from cicscenario.state.glance import Glance, glance
from cicscenario.state.migrations import SCHEMA_VERSION
from cicscenario.state.store import STATE
from cicscenario.wording import counted

if TYPE_CHECKING:
    from cicscenario.language import Scenario


def saved(path: Path, place: Path) -> str:
    """Saves the sandbox in the home folder ``place``; gives the message about it."""
    unknown: list[str] = []
    manifest = saving.save(path, place, lambda registry: _runs_on(registry, place, unknown), SCHEMA_VERSION)
    lines = [
        f"saved: {path} ({path.stat().st_size / 1e6:,.1f} MB), with {told_runs(manifest.runs) or 'no runs'}",
        "  it has the keys of the sandbox and of its people in it; only you can read the file",
    ]
    lines += [f"  not in it: {line}" for line in unknown]
    return "\n".join(lines)


@contextmanager
def _runs_on(registry: str, place: Path, unknown: list[str]) -> Iterator[list[saving.SavedRun]]:
    """The runs in the home folder on the chain with this registry. Their folders are locked until the block ends.

    Those that were set aside are left out. ``unknown`` gets a line about each run of which nobody can say on which chain it is.
    """
    with ExitStack() as locks:
        found: list[saving.SavedRun] = []
        for name, folder in run_folders(place / "runs"):
            if any(map(is_set_aside, name.split("/"))) or any(name.startswith(f"{run.name}/") for run in found):
                continue  # the latter is in the folder of another one
            try:
                seen = glance(folder / STATE) if (folder / STATE).exists() else None
            except CicScenarioError as error:
                unknown.append(error.message)
                continue
            if seen and _is_on(seen, registry):
                if not RUN_NAME.fullmatch(name):
                    raise InvalidError(f"{folder} has a name that no snapshot has", hint="rename it, or move it away")
                locks.enter_context(directory_lock(folder))
                found.append(saving.SavedRun(name, folder, seen.people))
        yield found


def _is_on(seen: Glance, registry: str) -> bool:
    """Whether a state is of the chain with this registry. One without a chain counts if its scenario names the sandbox."""
    if "registry" in seen.meta:
        return seen.meta["registry"] == registry
    return '"environment": "sandbox"' in seen.meta.get("scenario", "")


def put_back(snapshot: OpenSnapshot, place: Path) -> Restored:
    """Puts a snapshot in the place of the sandbox in the home folder ``place``; see ``restore``."""
    return restore(snapshot, place, lambda runs: _kept_from_others(place, runs))


@contextmanager
def _kept_from_others(place: Path, runs: Sequence[str]) -> Iterator[None]:
    with ExitStack() as locks:
        tops = {name.partition("/")[0] for name in runs}  # these are renamed, with every combination that is in them
        for folder in (folder for name, folder in run_folders(place / "runs") if name.partition("/")[0] in tops):
            locks.enter_context(directory_lock(folder) if (folder / LOCK).exists() else nullcontext())
        yield


def told_runs(runs: Mapping[str, int]) -> str:
    """The runs in a snapshot with the numbers of their people, for people; empty when there are none."""
    return ", ".join(f"{name} ({counted(people, 'person')})" for name, people in runs.items())


def require_sandbox(scenario: "Scenario", env: str | None, place: Path) -> None:
    """Raises InvalidError when a run that is to be saved is not in the sandbox of the home folder ``place``."""
    named = env or scenario.environment
    if named == "sandbox" or (named and Path(named).resolve() == (place / "sandbox" / ENVIRONMENT).resolve()):
        return
    raise InvalidError(
        f"--save saves the sandbox of the home folder, and this run is in another environment: {named}",
        hint="leave --save out, or name the sandbox: --env sandbox",
    )
