"""``cicscenario stack save``, ``restore``, ``list`` and ``up --from``, and ``run --save``: snapshots of the sandbox."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cicscenario.cli.asking import ask
from cicscenario.cli.atwork import at_work
from cicscenario.cli.home import home, made_home
from cicscenario.cli.stack import starting
from cicscenario.errors import CicScenarioError, ExitCode, InvalidError, StateRefusedError, as_told
from cicscenario.printable import json_text, one_line, say
from cicscenario.report.columns import columns
from cicscenario.sandbox import stack
from cicscenario.sandbox.record import RECORD
from cicscenario.sandbox.snapshot import save as saving
from cicscenario.sandbox.snapshot.container import manifest_of
from cicscenario.sandbox.snapshot.manifest import RUN_NAME, Manifest
from cicscenario.sandbox.snapshot.restore import Restored, restore, usable
from cicscenario.state.directory import LOCK, directory_lock, is_set_aside, run_folders
from cicscenario.state.glance import Glance, glance
from cicscenario.state.migrations import SCHEMA_VERSION
from cicscenario.state.store import STATE
from cicscenario.wording import counted

if TYPE_CHECKING:
    from cicscenario.language import Scenario

_ENDING = ".zst"
_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class UpOptions:
    """What ``stack up`` asks for, besides the snapshot."""

    node: str | None
    contracts: str | None
    services: Sequence[str]
    faults: Sequence[str]
    dialect: str | None
    ports: Mapping[str, int] | None = None


def path_of(name: str, place: Path) -> Path:
    """The file that ``name`` means: a path that ends in .zst, or a name in the folder of snapshots in the home folder."""
    if name.endswith(_ENDING):
        return Path(name).absolute()
    if not _NAME.fullmatch(name):
        raise InvalidError(
            f"not a name for a snapshot: {name!r}",
            hint=f"letters, digits, dots, dashes and underscores, such as ussd-1k; or a path that ends in {_ENDING}",
        )
    return _folder(place) / f"{name}{_ENDING}"


def _folder(place: Path) -> Path:
    return place / "snapshots"


def save(name: str, *, yes: bool) -> ExitCode:
    """Saves the sandbox, with the runs in the home folder that are on its chain."""
    path = place_to_save(name, yes=yes)
    with at_work("saving the sandbox"):
        told = saved(path, home())
    say(told)
    return ExitCode.OK


def place_to_save(name: str, *, yes: bool) -> Path:
    """The file that ``name`` means. Asks before a snapshot that is there is replaced."""
    path = path_of(name, home())
    if path.exists():
        ask(f"{path} is there already. Replace it?", yes=yes, to=f"replace {path}")
    return path


def saved(path: Path, place: Path) -> str:
    """Saves the sandbox in the home folder ``place``; gives the message about it."""
    unknown: list[str] = []
    manifest = saving.save(path, place, lambda registry: _runs_on(registry, place, unknown), SCHEMA_VERSION)
    lines = [
        f"saved: {path} ({path.stat().st_size / 1e6:,.1f} MB), with {_runs(manifest.runs) or 'no runs'}",
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


def restored(name: str, *, yes: bool) -> ExitCode:
    """Puts a snapshot in the place of the sandbox, which is down afterwards."""
    _say_restored(_restore(name, yes=yes))
    say("the sandbox is down; `cicscenario stack up` starts it")
    return ExitCode.OK


def up(name: str, options: UpOptions, *, yes: bool) -> ExitCode:
    """Puts a snapshot in the place of the sandbox, and starts the services that are in it."""
    done = _restore(name, yes=yes, options=options)
    _say_restored(done)
    with starting() as progress:
        info = stack.up(
            home(),
            services=options.services or done.manifest.services,
            faults=options.faults or None,
            dialect=options.dialect or done.manifest.dialect,
            ports=options.ports,
            progress=progress,
        )
    say(f"the sandbox is up; its environment file is {info.environment}")
    return ExitCode.OK


def _restore(name: str, *, yes: bool, options: UpOptions | None = None) -> Restored:
    place = home()
    path = path_of(name, place)
    if not path.exists():
        raise InvalidError(f"there is no snapshot {path}", hint="`cicscenario stack list` shows those that there are")
    with usable(path, SCHEMA_VERSION) as snapshot:
        if options:
            _require_choice(path, snapshot.manifest, options)
        folder = place / "sandbox"
        if (folder / RECORD).exists():
            ask(
                f"{folder} will be replaced: its chain, and everybody in it, are gone then. Replace it?",
                yes=yes,
                to=f"replace {folder}",
            )
        with at_work("restoring the sandbox"):
            return restore(snapshot, made_home(), lambda runs: _kept_from_others(place, runs))


def _require_choice(path: Path, manifest: Manifest, options: UpOptions) -> None:
    for option, asked, made in (
        ("node", options.node, manifest.node),
        ("contracts", options.contracts, manifest.contracts),
    ):
        if asked not in (None, made):
            raise StateRefusedError(
                f"{path} was made with --{option} {made}, not {asked}",
                hint=f"leave --{option} out; nothing was changed",
            )


@contextmanager
def _kept_from_others(place: Path, runs: Sequence[str]) -> Iterator[None]:
    with ExitStack() as locks:
        tops = {name.partition("/")[0] for name in runs}  # these are renamed, with every combination that is in them
        for folder in (folder for name, folder in run_folders(place / "runs") if name.partition("/")[0] in tops):
            locks.enter_context(directory_lock(folder) if (folder / LOCK).exists() else nullcontext())
        yield


def _say_restored(done: Restored) -> None:
    say(f"restored: the snapshot of {done.manifest.made}, with {_runs(done.manifest.runs) or 'no runs'}")
    for path in done.aside:
        say(f"  an earlier run was renamed: {path}")


def listed(fmt: str) -> ExitCode:
    """Shows the snapshots in the home folder, with what each has."""
    folder = _folder(home())
    found = [_line(path) for path in sorted(folder.glob(f"*{_ENDING}")) if _NAME.fullmatch(path.stem)]
    if fmt == "json":
        say(json_text(found, indent=2))
    elif not found:
        say(f"there are no snapshots in {one_line(str(folder))}; `cicscenario stack save NAME` makes one")
    else:
        rows = [("snapshot", "made", "size", "node", "runs"), *map(_cells, found)]
        for line in columns(rows):
            say(line)
    return ExitCode.OK


def _line(path: Path) -> dict[str, Any]:
    line: dict[str, Any] = {"name": path.stem, "path": str(path), "bytes": path.stat().st_size}
    try:
        manifest = manifest_of(path)
    except (CicScenarioError, OSError) as error:
        told = as_told(error)
        return line | {"trouble": told.message if told else str(error)}
    return line | {
        "made": manifest.made,
        "node": manifest.node,
        "contracts": manifest.contracts,
        "services": list(manifest.services),
        "runs": dict(manifest.runs),
    }


def _cells(line: dict[str, Any]) -> tuple[str, ...]:
    size = f"{line['bytes'] / 1e6:,.1f} MB"
    if "trouble" in line:
        return line["name"], "-", size, "-", one_line(line["trouble"])
    return line["name"], line["made"], size, f"{line['node']}, {line['contracts']}", _runs(line["runs"]) or "-"


def _runs(runs: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({counted(people, 'person')})" for name, people in runs.items())


def require_sandbox(scenario: "Scenario", env: str | None) -> None:
    """Raises InvalidError when a run that is to be saved is not in the sandbox of the home folder."""
    named = env or scenario.environment
    if named == "sandbox" or (named and Path(named).resolve() == (home() / "sandbox" / "environment.yaml").resolve()):
        return
    raise InvalidError(
        f"--save saves the sandbox of the home folder, and this run is in another environment: {named}",
        hint="leave --save out, or name the sandbox: --env sandbox",
    )
