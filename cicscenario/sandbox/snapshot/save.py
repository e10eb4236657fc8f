"""Saves a sandbox and its runs as one file."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cicscenario
from cicscenario.boundaries import Boundary
from cicscenario.errors import InvalidError, StateRefusedError
from cicscenario.files import make_folder, replacing
from cicscenario.sandbox import stack
from cicscenario.sandbox.record import Record, dialect_of
from cicscenario.sandbox.services import SERVICES
from cicscenario.sandbox.snapshot.archive import write_archive
from cicscenario.sandbox.snapshot.container import writing
from cicscenario.sandbox.snapshot.contents import contents
from cicscenario.sandbox.snapshot.manifest import Manifest
from cicscenario.unfinished import sweep

_STOP = Boundary("snapshot.stop")  # the services are stopped, so that nothing changes while it is copied
_WRITE = Boundary("snapshot.write")  # the file, until it has its name
_START = Boundary("snapshot.start")  # the services that were up are started again


@dataclass(frozen=True)
class SavedRun:
    """A run that is to be saved: its name, its folder, which nobody else may change now, and its number of people."""

    name: str
    folder: Path
    people: int


#: Gives the runs on the chain with this registry, by an address with 0x, and keeps them from others until the block ends.
Runs = Callable[[str], AbstractContextManager[list[SavedRun]]]


def save(path: Path, home: Path, runs: Runs, state_form: int) -> Manifest:
    """Saves the sandbox in ``home``, and ``runs``, whose states have at most the format ``state_form``.

    The services are stopped meanwhile; those that were up are started again. ``path`` has the whole snapshot or what it had
    before, and only its owner can read it: it has keys in it. Raises InvalidError when there is no sandbox,
    StateRefusedError when a run uses it, and OSError.
    """
    nothing = InvalidError(f"there is no sandbox in {home} to save", hint="`cicscenario stack up` starts one")
    if not home.exists():
        raise nothing
    with stack.held(home) as held:
        record = held.record()
        if record is None or not record.registry:
            raise nothing
        with runs(record.registry) as found:
            with _STOP:
                up = held.stop_all()
            try:
                return _write(path, held.folder, record, found, state_form)
            finally:
                with _START:
                    held.start_again(up)


def _write(path: Path, folder: Path, record: Record, runs: list[SavedRun], state_form: int) -> Manifest:
    services = tuple(name for name in SERVICES if name in record.ports)
    _require_chain(folder, record)
    folders = {run.name: run.folder for run in runs}
    sizes = [member.size or 0 for member in contents(folder, services, folders)]
    manifest = Manifest(
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        program=cicscenario.__version__,
        node=record.node,
        contracts=record.contracts,
        registry=record.registry,
        services=services,
        dialect=dialect_of(record.options),
        forms={name: SERVICES[name].form(record) for name in services},
        state_form=state_form,
        runs={run.name: run.people for run in runs},
        files=len(sizes),
        size=sum(sizes),
    )
    make_folder(path.parent)
    sweep(path.parent)
    with _WRITE, replacing(path, durable=True) as file, writing(file, manifest) as archive:
        write_archive(archive, contents(folder, services, folders))
    return manifest


def _require_chain(folder: Path, record: Record) -> None:
    """Anvil writes its chain only when it ends: one that was killed before it ever did has left none."""
    if not any((folder / "chain").glob("*.json*")):
        raise StateRefusedError(
            f"the {record.node} node has left no chain in {folder / 'chain'}: it was killed before it saved it",
            hint="`cicscenario stack down --purge` deletes the rest; nothing was saved",
        )
