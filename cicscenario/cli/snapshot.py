"""``cicscenario stack save``, ``restore``, ``list`` and ``up --from``, and ``run --save``: snapshots of the sandbox."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cicscenario.api.home import home, made_home
from cicscenario.api.snapshots import put_back, saved, told_runs
from cicscenario.cli.asking import ask
from cicscenario.cli.atwork import at_work
from cicscenario.cli.stack import starting
from cicscenario.errors import CicScenarioError, ExitCode, InvalidError, StateRefusedError, as_told
from cicscenario.printable import json_text, one_line, say
from cicscenario.report.columns import columns
from cicscenario.sandbox import stack
from cicscenario.sandbox.pacing import require_pace
from cicscenario.sandbox.record import RECORD
from cicscenario.sandbox.snapshot.container import manifest_of
from cicscenario.sandbox.snapshot.manifest import Manifest
from cicscenario.sandbox.snapshot.restore import Restored, usable
from cicscenario.state.migrations import SCHEMA_VERSION

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
    pace: str | None = None


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
            pace=options.pace,
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
            return put_back(snapshot, made_home())


def _require_choice(path: Path, manifest: Manifest, options: UpOptions) -> None:
    require_pace(options.pace)
    for option, asked, made in (
        ("node", options.node, manifest.node),
        ("contracts", options.contracts, manifest.contracts),
    ):
        if asked not in (None, made):
            raise StateRefusedError(
                f"{path} was made with --{option} {made}, not {asked}",
                hint=f"leave --{option} out; nothing was changed",
            )


def _say_restored(done: Restored) -> None:
    say(f"restored: the snapshot of {done.manifest.made}, with {told_runs(done.manifest.runs) or 'no runs'}")
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
    return line["name"], line["made"], size, f"{line['node']}, {line['contracts']}", told_runs(line["runs"]) or "-"
