"""The directory of a run: its lock, its state, and how it is renamed to begin anew. Nothing in it is ever deleted."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from cicscenario.boundaries import Boundary
from cicscenario.errors import InvalidError, StateRefusedError, reason_of
from cicscenario.files import write_once
from cicscenario.inputs import read_input
from cicscenario.invocation import going_on
from cicscenario.state.database import damaged
from cicscenario.state.inspection import InspectBeside
from cicscenario.state.lock import FileLock
from cicscenario.state.store import STATE, Store

_SET_ASIDE = Boundary("directory.set_aside")  # the directory of an earlier run gets another name
_SECRET = re.compile("[0-9a-fA-F]{64}")
_ASIDE = re.compile(r"\.\d{8}T\d{6}(\.\d{1,3})?$")  # a moment, and a number if it is not the only one of that moment


LOCK = "lock"  #: name of the file in a run directory


def directory_lock(directory: Path) -> FileLock:
    """The lock of a run directory: while it is held, no other run uses the directory."""
    return FileLock(directory / LOCK, f"the run directory {directory}")


def existing_store(directory: Path, *, rows: bool = True, beside: InspectBeside | None = None) -> Store | None:
    """The state in ``directory``, or None if nothing has been run there. For ``rows`` and ``beside`` see Tables."""
    path = directory / STATE
    if not os.path.lexists(path) and (kept := damaged_states(directory)):
        raise damaged(path, f"only {kept[-1].name} is there")
    return Store(path, rows=rows, beside=beside) if os.path.lexists(path) else None


def damaged_states(directory: Path) -> list[Path]:
    """The damaged states that were set aside in ``directory``, the oldest first."""
    return sorted(path for path in directory.glob(f"{STATE}.damaged-*") if not path.name.endswith(("-wal", "-shm")))


def store_of_a_run(directory: Path, scenario: Path, *, rows: bool = True, beside: InspectBeside | None = None) -> Store:
    """The state in ``directory``; for ``rows`` and ``beside`` see Tables. Raises InvalidError if no run has begun there."""
    store = existing_store(directory, rows=rows, beside=beside)
    if store and store.meta():
        return store
    if store:
        store.close()
    raise nothing_run(directory, scenario)


def nothing_run(directory: Path, scenario: Path) -> InvalidError:
    """The error for a command that needs a run, when none has begun in ``directory``."""
    return InvalidError(f"nothing has been run in {directory}", hint=going_on("run", scenario=scenario))


def run_secret(path: Path) -> str:
    """The run's secret in file ``path``: 64 hexadecimal digits, created by the first call, readable by the owner only.

    Raises StateRefusedError when the file has anything else.
    """
    if not os.path.lexists(path):
        write_once(path, secrets.token_hex(32))
    return secret_in(path)


def secret_in(path: Path) -> str:
    """The run's secret in file ``path``, which is not created. Raises StateRefusedError when there is none, or anything else."""
    try:
        text = read_input(path, follow=False).decode("utf-8", "replace")
    except OSError as error:
        raise StateRefusedError(f"{path} cannot be read: {reason_of(error)}") from None
    if not _SECRET.fullmatch(text):
        found = f"{len(text)} characters" if len(text) != 64 else "other characters"
        raise StateRefusedError(f"{path} is damaged: expected 64 hexadecimal digits, found {found}")
    return text


def used_before(directory: Path) -> bool:
    """Whether a run has sent, or may have sent, something from this directory, whatever its state says."""
    signs = chain([directory / "secret"], directory.glob(f"{STATE}.damaged-*"), _entries(directory / "tx"))
    return any(path.exists() for path in signs)


def _entries(folder: Path) -> Iterator[Path]:
    """What is in a folder that may have millions of files: only as much is read as is asked for."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            yield Path(entry.path)


def run_folders(runs: Path) -> Iterator[tuple[str, Path]]:
    """The folders that may be run directories, with their names: those in the folder of all runs, and, one level deeper, those of
    the combinations of a matrix."""
    for place in _folders(runs):
        yield place.name, place
        yield from ((f"{place.name}/{inner.name}", inner) for inner in _folders(place) if "=" in inner.name)


def _folders(folder: Path) -> list[Path]:
    return sorted(place for place in folder.iterdir() if place.is_dir()) if folder.is_dir() else []


def is_set_aside(name: str) -> bool:
    """Whether this is the name of a directory that ``run --fresh`` or ``stack restore`` has set aside."""
    return bool(_ASIDE.search(name))


def set_aside(directory: Path) -> Path | None:
    """Renames the directory of a run, damaged or not. Gives its new path, or None if there is no state in it."""
    if not any(directory.glob(f"{STATE}*")):
        return None
    kept = directory.with_name(f"{directory.name}.{datetime.now(UTC).strftime('%Y%m%dT%H%M%S')}")
    with _SET_ASIDE:
        directory.rename(kept)
    return kept
