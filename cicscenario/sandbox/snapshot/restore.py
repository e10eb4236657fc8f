"""Makes a sandbox again from a snapshot, in the place of the one that is there."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cicscenario.errors import StateRefusedError, UnavailableError
from cicscenario.sandbox import stack
from cicscenario.sandbox.ports import free_port
from cicscenario.sandbox.record import RECORD, Record, new_copy, write_record
from cicscenario.sandbox.services import SERVICES, with_needs
from cicscenario.sandbox.snapshot import place
from cicscenario.sandbox.snapshot.archive import ArchiveBounds, unpack
from cicscenario.sandbox.snapshot.container import OpenSnapshot, opened
from cicscenario.sandbox.snapshot.contents import SANDBOX, expected
from cicscenario.sandbox.snapshot.manifest import Manifest, differences
from cicscenario.sandbox.space import full_disk_told

_RESERVE = 50_000_000  # bytes that are left free
#: Keeps the folders of these runs from others until the block ends.
Guard = Callable[[Sequence[str]], AbstractContextManager[None]]


@dataclass(frozen=True)
class Restored:
    """What was restored. ``aside`` are the new paths of earlier runs with the names of runs in the snapshot."""

    manifest: Manifest
    aside: Sequence[Path]


@contextmanager
def usable(path: Path, state_form: int) -> Iterator[OpenSnapshot]:
    """Opens a snapshot that can be restored here; see ``opened``. ``state_form`` is the newest format of states known here.

    Raises StateRefusedError when it is damaged, or made with another version, and UnavailableError when services of it are
    not installed. Changes nothing.
    """
    with opened(path) as snapshot:
        manifest = snapshot.manifest
        with_needs(manifest.services)
        record = Record(manifest.node, manifest.contracts)
        forms = {name: SERVICES[name].form(record) for name in manifest.services}
        if found := differences(manifest, forms, state_form):
            raise StateRefusedError(
                f"{path} was made with other versions (cicscenario {manifest.program}, {manifest.made}):\n  "
                + "\n  ".join(found),
                hint="nothing was changed; use the versions that it was made with, or fill a sandbox again and save that",
            )
        yield snapshot


def restore(snapshot: OpenSnapshot, home: Path, guard: Guard) -> Restored:
    """Puts the sandbox of ``snapshot`` in the place of that in ``home``, and its runs into the folder of runs.

    The services are down afterwards; each has a new port. What is in ``home`` stays as it is unless all of the snapshot could
    be unpacked. A process that is killed leaves the old sandbox or the new one: see ``place``. Raises StateRefusedError when a
    run uses the sandbox, or when the archive has anything in it that it must not have.
    """
    manifest = snapshot.manifest
    with stack.held(home) as held, guard(tuple(manifest.runs)):
        with full_disk_told(home, "snapshot"):
            _require_room(snapshot, home)
            with place.unpacking(home) as folder:
                _unpack(snapshot, folder)
                _write_record(manifest, folder / SANDBOX)
                held.stop_all()
        return Restored(manifest, place.finish(home))


def _require_room(snapshot: OpenSnapshot, home: Path) -> None:
    free = shutil.disk_usage(home).free
    if snapshot.manifest.size > free - _RESERVE:
        raise UnavailableError(
            f"{home} has no room for {snapshot.path}: {free // 1_000_000:,} MB are free, and it has"
            f" {snapshot.manifest.size // 1_000_000:,} MB",
            hint="make room there, or name another folder in CICSCENARIO_HOME; nothing was changed",
        )


def _unpack(snapshot: OpenSnapshot, folder: Path) -> None:
    manifest = snapshot.manifest
    for name in manifest.services:
        SERVICES[name].receive(folder / SANDBOX)
    try:
        is_expected = expected(manifest.services, manifest.runs)
        unpack(snapshot.archive, folder, ArchiveBounds(manifest.files, manifest.size), is_expected)
    except ValueError as error:
        raise StateRefusedError(
            f"{snapshot.path} cannot be used: {error}", hint="nothing was changed; who has made it?"
        ) from None
    for name in manifest.services:
        SERVICES[name].received(folder / SANDBOX)


def _write_record(manifest: Manifest, folder: Path) -> None:
    """The record of the new sandbox. Ports are new ones, for another sandbox from the same snapshot may be up."""
    ports = {name: free_port() for name in manifest.services}
    record = Record(manifest.node, manifest.contracts, manifest.registry, ports, copy=new_copy())
    write_record(folder / RECORD, record)
