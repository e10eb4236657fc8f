"""Puts a restored sandbox and its runs in their places, so that a process that is killed leaves the old or the new whole.

A snapshot is unpacked into a folder of its own in the home folder. One rename decides that it is to replace what is there. From
then on the old sandbox is down, and whoever next takes the sandbox's lock completes what was decided: the old sandbox is moved
aside, the new one and its runs are moved in, and then the old one is deleted. A run that was there under the same name is
renamed and kept.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cicscenario.boundaries import Boundary
from cicscenario.files import make_folder
from cicscenario.sandbox.record import Record
from cicscenario.sandbox.services import SERVICES
from cicscenario.sandbox.services.base import Site
from cicscenario.sandbox.snapshot.contents import RUNS, SANDBOX

_UNPACKING, _DECIDED = "sandbox.unpacking", "sandbox.restored"  # folders in the home folder
_OLD = "old"  # the sandbox that is replaced
_UNPACK = Boundary("snapshot.unpack")  # a snapshot in a folder of its own
_DECIDE = Boundary("snapshot.decide")  # the rename that decides
_SET_ASIDE = Boundary("snapshot.set_aside")  # a run with the name of one in the snapshot gets another name
_PLACE_RUN = Boundary("snapshot.place_run")  # a run is moved in
_MOVE_OUT = Boundary("snapshot.move_out")  # the old sandbox is moved aside
_MOVE_IN = Boundary("snapshot.move_in")  # the new one is moved in
_DELETE_OLD = Boundary("snapshot.delete_old")


@contextmanager
def unpacking(home: Path) -> Iterator[Path]:
    """An empty folder to unpack into, with the folders of an archive. The caller holds the sandbox's lock.

    When the block ends, it is decided that what is in it replaces what is there: the services have to be down then, and
    ``finish`` has to follow. When the block raises, the folder is deleted.
    """
    folder = home / _UNPACKING
    _sweep(folder)
    try:
        with _UNPACK:
            for name in (SANDBOX, RUNS):
                make_folder(folder / name)
            yield folder
        with _DECIDE:
            folder.rename(home / _DECIDED)
    except BaseException:
        _sweep(folder)
        raise


def _sweep(folder: Path) -> None:
    delete_sandbox(folder / SANDBOX)
    shutil.rmtree(folder, ignore_errors=True)


def is_decided(home: Path) -> bool:
    """Whether a restore was decided whose process was killed before it was finished."""
    return (home / _DECIDED).is_dir()


def finish(home: Path) -> list[Path]:
    """Completes what was decided, if anything was, and deletes what was unpacked before. Gives the new paths of runs that were
    renamed.

    The caller holds the sandbox's lock.
    """
    if (home / _UNPACKING).is_dir():
        _sweep(home / _UNPACKING)
    decided = home / _DECIDED
    if not is_decided(home):
        return []
    aside = _place_runs(decided / RUNS, home / RUNS)
    if (decided / SANDBOX).is_dir():
        if (home / SANDBOX).is_dir():
            with _MOVE_OUT:
                (home / SANDBOX).rename(decided / _OLD)
        with _MOVE_IN:
            (decided / SANDBOX).rename(home / SANDBOX)
    with _DELETE_OLD:
        delete_sandbox(decided / _OLD)
        shutil.rmtree(decided, ignore_errors=True)
    return aside


def _place_runs(new: Path, runs: Path) -> list[Path]:
    aside = []
    for run in sorted(new.iterdir()) if new.is_dir() else ():
        target = make_folder(runs) / run.name
        if os.path.lexists(target):
            aside.append(_unused(target))
            with _SET_ASIDE:
                target.rename(aside[-1])
        with _PLACE_RUN:
            run.rename(target)
    return aside


def _unused(run: Path) -> Path:
    """A new name for the folder of an earlier run, as `run --fresh` gives it."""
    name = f"{run.name}.{datetime.now(UTC).strftime('%Y%m%dT%H%M%S')}"
    names = (run.with_name(name + more) for more in ("", *(f".{number}" for number in range(1, 1000))))
    return next(path for path in names if not os.path.lexists(path))


def delete_sandbox(folder: Path) -> None:
    """Deletes the sandbox in ``folder``, whose services are down, and its data outside of the folder. It may not be there."""
    if folder.is_dir():
        for service in SERVICES.values():
            service.purge(Site(folder, Record("", "")))
        shutil.rmtree(folder)
