"""File locks that name their owner. The kernel frees them when a process ends, so a killed run leaves nothing to clean up."""

import fcntl
import json
import os
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from cicscenario.boundaries import Boundary
from cicscenario.errors import StateRefusedError, reason_of
from cicscenario.files import make_folder, open_in_place
from cicscenario.inputs import read_input
from cicscenario.jsontext import JsonTextError, parse_json

_TAKE = Boundary("lock.take")  # the file, the kernel's lock on it, and its owner


class FileLock:
    """A ``flock`` on ``path``. The file contains the owner, for the message to the next process that tries.

    Entering raises StateRefusedError when another process holds the lock, or when ``path`` is a symbolic link or not a
    regular file. The file is not deleted: only the kernel's lock counts. A ``shared`` one may be held by several processes, but
    not together with one that is not; the file then contains the last of them.
    """

    def __init__(self, path: Path, what: str, *, shared: bool = False) -> None:
        self._path = path
        self._what = what
        self._kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._descriptor = -1

    def __enter__(self) -> Self:
        make_folder(self._path.parent)
        with _TAKE:
            self._take()
        return self

    def _take(self) -> None:
        self._descriptor = self._open()
        try:
            fcntl.flock(self._descriptor, self._kind | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._descriptor, 4096, 0).decode("utf-8", "replace").strip() or "an unknown process"
            os.close(self._descriptor)
            raise StateRefusedError(
                f"{self._what} is in use: {self._path} is locked by {owner}",
                hint="wait for that run to end, or stop it; nothing has to be removed by hand",
            ) from None
        owner = json.dumps(
            {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
        )
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, owner.encode(), 0)
        except OSError as error:  # such as a full disk: it does not name the file by itself
            os.close(self._descriptor)
            raise OSError(error.errno, error.strerror, str(self._path)) from None

    def _open(self) -> int:
        try:
            return open_in_place(self._path)
        except OSError as error:
            raise StateRefusedError(
                f"the lock of {self._what}, {self._path}, cannot be opened: {reason_of(error)}",
                hint="if no run is active, remove it and try again",
            ) from None

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def owner_of(path: Path) -> dict[str, Any]:
    """What the lock file ``path`` says about the process that held it last; empty when it says nothing that can be read."""
    try:
        owner = parse_json(read_input(path, follow=False))
    except (OSError, JsonTextError):
        return {}
    return owner if isinstance(owner, dict) else {}


def is_held(path: Path) -> bool:
    """Whether a process of this machine holds the lock ``path``. Does not try to take it: a run that begins could not, then.

    Source of the format of /proc/locks: proc(5). Where there is no such file, the process that held it last counts as long as it
    is alive.
    """
    pid = owner_of(path).get("pid")
    try:
        inode = path.stat().st_ino
    except OSError:
        return False
    try:
        rows = [line.split() for line in read_input(_LOCKS).decode("ascii", "replace").splitlines()]
    except OSError:
        return isinstance(pid, int) and pid > 0 and _is_alive(pid)
    held = {(row[4], row[5].rpartition(":")[2]) for row in rows if len(row) > 5 and row[1] == "FLOCK"}
    return (str(pid), str(inode)) in held


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True


_LOCKS = Path("/proc/locks")
_SHARED = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))  # noqa: S108 - owner and mode of what is made there are checked


@contextmanager
def user_lock(name: str, what: str, places: Sequence[Path] | None = None, *, shared: bool = False) -> Iterator[None]:
    """Holds the lock ``name``, shared by all runs of this user on this machine; ``what`` is for messages.

    A lock file is held in each folder of ``places`` (default: ``user_places``) that is safe to use. So two runs have one in
    common even if only one of them knows the runtime folder. For ``shared`` see FileLock. Raises
    StateRefusedError when another process holds the lock, or when no folder is safe.
    """
    with ExitStack() as held:
        refused: StateRefusedError | None = None
        safe = 0
        for place in user_places() if places is None else places:
            try:
                _make_private(place)
            except StateRefusedError as error:
                refused = error
                continue
            held.enter_context(FileLock(place / name, what, shared=shared))
            safe += 1
        if not safe and refused:
            raise refused
        yield


def user_places(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """The folders for locks of the user: one in the runtime folder of their session, if there is one, and one in each folder
    that all users of a machine share, if they may write there.

    TMPDIR is ignored, since runs with different values of it would use different locks.
    """
    user = os.getuid()
    runtime = Path(environment.get("XDG_RUNTIME_DIR") or f"/run/user/{user}")
    folders = [folder for folder in _SHARED if os.access(folder, os.W_OK | os.X_OK)] or _SHARED[:1]
    places = [folder / f"cicscenario-{user}" for folder in folders]
    if runtime.is_absolute() and _why_not_private(runtime) is None:
        places.insert(0, runtime / "cicscenario")
    return places


def _make_private(folder: Path) -> None:
    """Creates ``folder`` with mode 0700. Raises StateRefusedError if it exists and others could change it."""
    reason: str | None
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        reason = _why_not_private(folder)
    except OSError as error:
        reason = f"cannot be created: {error.strerror}"
    if reason:
        raise StateRefusedError(
            f"the folder for locks, {folder}, {reason}",
            hint=f"it must be yours alone: remove it, or `chmod 700 {folder}`, or have a folder of your own in XDG_RUNTIME_DIR",
        )


def _why_not_private(folder: Path) -> str | None:
    """Why others could change what is in ``folder``, or this user cannot; None when it is right."""
    try:
        found = folder.lstat()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if stat.S_ISLNK(found.st_mode):
        return "is a symbolic link"
    if not stat.S_ISDIR(found.st_mode):
        return "is not a folder"
    if found.st_uid != os.getuid():
        return f"belongs to user {found.st_uid}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return "cannot be written to"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"can be written to by others (mode {stat.S_IMODE(found.st_mode):o})"
    return None
