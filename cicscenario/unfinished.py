"""Temporary files and folders, in which ``files`` writes what is not whole yet; and what killed processes have left of them.

Each is locked as long as its descriptor is open. By this, ``sweep`` knows what killed processes have left.
"""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

UNFINISHED = ".unfinished"  #: the end of their names
_NAME = re.compile(rf"\..+\.[a-z0-9_]{{8}}\{UNFINISHED}")


def is_unfinished(name: str) -> bool:
    """Whether this is the name of a temporary file or folder."""
    return _NAME.fullmatch(name) is not None


def unfinished_file(path: Path) -> tuple[int, Path]:
    """Creates a temporary file beside ``path``, with mode 0600. Gives its descriptor, to write into, and its place."""
    return _locked(lambda: _new_file(path))


def unfinished_folder(path: Path) -> tuple[int, Path]:
    """Creates a temporary folder beside ``path``. Gives a descriptor, which is to be closed when all is done, and its place."""
    return _locked(lambda: _new_folder(path))


def sweep(folder: Path) -> None:
    """Deletes the temporary files and folders that killed processes left in a folder; keeps those of processes that still write.

    What cannot be deleted stays.
    """
    _sweep(folder, "")


def sweep_beside(path: Path) -> None:
    """Deletes the temporary files and folders that killed processes left for ``path``; see ``sweep``."""
    _sweep(path.parent, _prefix(path))


def _sweep(folder: Path, prefix: str) -> None:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(prefix) and is_unfinished(entry.name):
                with suppress(OSError):
                    _delete_unlocked(Path(entry.path), is_folder=entry.is_dir(follow_symlinks=False))


def _delete_unlocked(path: Path, *, is_folder: bool) -> None:
    kind = os.O_DIRECTORY if is_folder else os.O_NONBLOCK
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | kind)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_folder:
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    finally:
        os.close(descriptor)


def _prefix(path: Path) -> str:
    return f".{path.name[:50]}."  # a whole name could become longer than file systems allow


def _new_file(path: Path) -> tuple[int, Path]:
    descriptor, name = tempfile.mkstemp(prefix=_prefix(path), suffix=UNFINISHED, dir=path.parent)
    return descriptor, Path(name)


def _new_folder(path: Path) -> tuple[int, Path]:
    temporary = Path(tempfile.mkdtemp(prefix=_prefix(path), suffix=UNFINISHED, dir=path.parent))
    return os.open(temporary, os.O_RDONLY | os.O_CLOEXEC), temporary


def _locked(make: Callable[[], tuple[int, Path]]) -> tuple[int, Path]:
    while True:
        descriptor, temporary = make()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            deleted = os.fstat(descriptor).st_nlink == 0
        except BlockingIOError:
            deleted = True
        except OSError:  # a file system without locks: `sweep` cannot lock there either, and deletes nothing
            deleted = False
        if not deleted:
            return descriptor, temporary
        os.close(descriptor)  # the sweep of another process has found it before it was locked
