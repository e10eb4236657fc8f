"""Kernel locks with a named owner: freed by the kernel when their holder dies, so a killed run leaves nothing to clean up."""

import errno
import fcntl
import json
import os
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from cicscenario.errors import StateRefusedError


class FileLock:
    """An exclusive ``flock`` on ``path``; the file names its owner for whoever comes second.

    Raises StateRefusedError on entering when another process holds it, or when ``path`` is a symbolic link or no regular
    file. What the file holds is for people to read; the file may stay.
    """

    def __init__(self, path: Path, what: str) -> None:
        self._path = path
        self._what = what
        self._descriptor = -1

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = self._open()
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, owner.encode(), 0)
        return self

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO must not block
        try:
            descriptor = os.open(self._path, flags, 0o600)
        except OSError as error:
            reason = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
            raise self._refused(f"cannot be opened: {reason}") from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise self._refused("is no regular file")
        return descriptor

    def _refused(self, what: str) -> StateRefusedError:
        return StateRefusedError(
            f"the lock of {self._what}, {self._path}, {what}", hint="remove it, if no run is under way, and try again"
        )

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


@contextmanager
def user_lock(name: str, what: str, places: Sequence[Path] | None = None) -> Iterator[None]:
    """Holds the lock ``name``, which all runs of this user on this machine find; ``what`` is for messages.

    It is held in every folder of ``places`` (``user_places`` by default) that is safe: two runs meet in one of them also when
    only one has a session's environment. Raises StateRefusedError when it is held, or when no place is safe.
    """
    with ExitStack() as held:
        refused: StateRefusedError | None = None
        safe = 0
        for place in user_places() if places is None else places:
            try:
                _make_own(place)
            except StateRefusedError as error:
                refused = error
                continue
            held.enter_context(FileLock(place / name, what))
            safe += 1
        if not safe and refused:
            raise refused
        yield


def user_places(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """The folders for locks of the user: one in the runtime folder of their session, if there is one, and one in ``/tmp``.

    TMPDIR does not matter: programs set it, and runs with different values would not meet.
    """
    user = os.getuid()
    runtime = Path(environment.get("XDG_RUNTIME_DIR") or f"/run/user/{user}")
    shared = Path("/tmp") / f"cicscenario-{user}"  # noqa: S108 - its owner and mode are checked
    places = [shared]
    if runtime.is_absolute() and _why_not_own(runtime) is None:
        places.insert(0, runtime / "cicscenario")
    return places


def _make_own(folder: Path) -> None:
    """Makes ``folder`` for its owner alone; raises StateRefusedError when it is there and is not safe to use."""
    reason: str | None
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        reason = _why_not_own(folder)
    except OSError as error:
        reason = f"cannot be made: {error.strerror}"
    if reason:
        raise StateRefusedError(
            f"the folder for locks, {folder}, {reason}",
            hint=f"it has to be a folder of your own that nobody else can write to: remove it, or `chmod 700 {folder}`",
        )


def _why_not_own(folder: Path) -> str | None:
    """Why others could change what is in ``folder``, or None when they cannot."""
    try:
        found = folder.lstat()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if stat.S_ISLNK(found.st_mode):
        return "is a symbolic link"
    if not stat.S_ISDIR(found.st_mode):
        return "is no folder"
    if found.st_uid != os.getuid():
        return f"belongs to user {found.st_uid}"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"can be written to by others (mode {stat.S_IMODE(found.st_mode):o})"
    return None
