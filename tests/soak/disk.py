"""The disk: SQLite and files in memory. Any write can fail. A killed process leaves the files as they were; a power cut leaves
what was flushed, and any part of the rest.
"""

import errno
import os
import shutil
import sqlite3
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from tests.soak.world import World

_WRITES = ("INSERT", "UPDATE", "DELETE", "COMMIT", "PRAGMA WAL_CHECKPOINT")
_SQLITE_SAYS = {errno.ENOSPC: "database or disk is full", errno.EIO: "disk I/O error"}
_WAL_HEADER = 32  # bytes, with salts that are new whenever the log begins anew
_MADE_ANEW = "-shm"  # by SQLite
_NEVER_COPIED = "tx"  # the run makes it anew


class Disk:
    """Stands for the module ``sqlite3``, and knows what was flushed. Every commit is a boundary, before and after."""

    def __init__(self, world: World, random: Random) -> None:
        self._world, self._random = world, random
        self._flushed: set[tuple[int, int, int]] = set()  # files
        self._named: dict[int, set[str]] = {}  # names in flushed folders
        self._logs: dict[bytes, int] = {}  # flushed bytes of write-ahead logs, by their headers

    def __getattr__(self, name: str) -> Any:
        return getattr(sqlite3, name)

    def connect(self, path: Path, **options: Any) -> sqlite3.Connection:
        made: _Connection = sqlite3.connect(path, factory=_Connection, **options)
        made.disk, made.path = self, path
        return made

    def before(self, connection: sqlite3.Connection, sql: str) -> None:
        if sql == "COMMIT":
            self._world.boundary("commit")
        if _writes(sql) and (number := self._world.write_error()):
            if number == errno.ENOSPC and connection.in_transaction:
                connection.rollback()  # as SQLite does by itself on a full disk
            raise sqlite3.OperationalError(_SQLITE_SAYS[number])

    def committed(self, path: Path, *, flushed: bool) -> None:
        if flushed:
            self._log_is_flushed(path)
        self._world.boundary("committed")

    # --- what is flushed ------------------------------------------------------------------------------------------

    def fsync(self, descriptor: int) -> None:
        """Stands for ``os.fsync``."""
        found = os.fstat(descriptor)
        self._flushed.add((found.st_ino, found.st_size, found.st_mtime_ns))
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112
            self._named[found.st_ino] = set(os.listdir(descriptor))

    def _log_is_flushed(self, state: Path) -> None:
        log = f"{state}-wal"
        with suppress(FileNotFoundError):
            self._logs[_header(log)] = os.stat(log).st_size  # noqa: PTH116

    def as_left_by_power_cut(self, directory: Path, target: Path) -> None:
        """Copies a run directory, less some of what was not flushed.

        The file of a state itself is only written when its log is moved into it, and both are flushed then.
        """
        self.as_left_by_kill(directory, target)
        for copy in sorted(target.rglob("*")):
            original = directory / copy.relative_to(target)
            if copy.is_dir():
                continue
            if copy.name.endswith("-wal"):
                size = copy.stat().st_size
                kept = min(size, self._logs.get(_header(copy), 0))
                left = self._random.randint(kept, size)
                os.truncate(copy, left)
                self._logs[_header(copy)] = left
            elif not self._is_named(original) or (not copy.name.endswith(".sqlite") and not self._is_flushed(original)):
                self._lose(copy)
        for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
            self._named[folder.stat().st_ino] = {path.name for path in folder.iterdir()}
        for path in target.rglob("*"):
            self._note_flushed(path)

    def as_left_by_kill(self, directory: Path, target: Path) -> None:
        """Copies a run directory as it is now; what the dead process still writes goes to the old one.

        What was flushed counts as flushed in the copy.
        """
        target.mkdir()
        self._named[target.stat().st_ino] = self._named.get(directory.stat().st_ino, set())
        with os.scandir(directory) as entries:
            for entry in entries:
                original, copy = Path(entry.path), target / entry.name
                if entry.name == _NEVER_COPIED or entry.name.endswith(_MADE_ANEW):
                    continue
                if entry.is_dir():
                    self.as_left_by_kill(original, copy)
                    continue
                shutil.copyfile(original, copy)
                if self._is_flushed(original):
                    self._note_flushed(copy)

    def _note_flushed(self, path: Path) -> None:
        found = path.stat()
        self._flushed.add((found.st_ino, found.st_size, found.st_mtime_ns))

    def _is_flushed(self, path: Path) -> bool:
        found = path.stat()
        return (found.st_ino, found.st_size, found.st_mtime_ns) in self._flushed

    def _is_named(self, path: Path) -> bool:
        return path.name in self._named.get(path.parent.stat().st_ino, set())

    def _lose(self, path: Path) -> None:
        """Nothing of a file, a part, or all of it is there."""
        if path.name.endswith(".sqlite") or self._random.random() < 0.5:
            if self._random.random() < 0.5:
                path.unlink()
        else:
            os.truncate(path, self._random.randint(0, path.stat().st_size))


class _Connection(sqlite3.Connection):
    """A connection that passes the disk's boundaries."""

    disk: Disk
    path: Path
    full = True  # PRAGMA synchronous

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        self.disk.before(self, sql)
        done = super().execute(sql, *parameters)
        if sql.startswith("PRAGMA synchronous"):
            self.full = sql.endswith("FULL")
        elif sql == "COMMIT":
            self.disk.committed(self.path, flushed=self.full)
        return done

    def executemany(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        self.disk.before(self, sql)
        return super().executemany(sql, *parameters)


@cache
def _writes(sql: str) -> bool:
    return sql.upper().startswith(_WRITES)


def _header(log: str | Path) -> bytes:
    descriptor = os.open(log, os.O_RDONLY)
    try:
        return os.read(descriptor, _WAL_HEADER)
    finally:
        os.close(descriptor)
