"""A disk that fails at the n-th change of a plain file: a write, a new name, a flush. SQLite's files are not touched."""

import errno
import io
import os
from collections.abc import Callable
from typing import Any

import pytest

FULL_DISK = errno.ENOSPC
READ_ERROR = errno.EIO


class _File(io.FileIO):
    """A file whose writes may fail, with half of the bytes on the disk."""

    disk: "FailingFiles"

    def write(self, data: Any) -> int:
        if self.disk.refused():
            super().write(bytes(data)[: len(data) // 2])
            raise OSError(self.disk.code, os.strerror(self.disk.code))
        return int(super().write(data) or 0)


class FailingFiles:
    """Replaces the functions of ``os`` that change files, while ``patch`` is in force."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.changes, self.code = 0, FULL_DISK
        self._fails = range(0)
        # What deletes is left as it is: a full disk does not keep anybody from deleting.
        for name in ("replace", "rename", "link", "fsync", "fchmod", "ftruncate", "mkdir"):
            patch.setattr(os, name, self._failing(getattr(os, name)))
        patch.setattr(os, "pwrite", self._torn(os.pwrite))
        patch.setattr(os, "open", self._creating(os.open))
        patch.setattr(os, "fdopen", self._fdopen(os.fdopen))

    def fail(self, first: int, *, times: int, code: int) -> None:
        self.changes, self.code, self._fails = 0, code, range(first, first + times)

    def mend(self) -> bool:
        """Returns whether anything has failed."""
        failed = bool(self._fails) and self.changes >= self._fails[0]
        self._fails = range(0)
        return failed

    def refused(self) -> bool:
        self.changes += 1
        return self.changes in self._fails

    def _failing(self, usual: Callable[..., Any]) -> Callable[..., Any]:
        def change(*arguments: Any, **named: Any) -> Any:
            if self.refused():
                raise OSError(self.code, os.strerror(self.code))
            return usual(*arguments, **named)

        return change

    def _creating(self, usual: Callable[..., int]) -> Callable[..., int]:
        def opened(path: Any, flags: int, *more: Any, **named: Any) -> int:
            if flags & os.O_CREAT and self.refused():
                raise OSError(self.code, os.strerror(self.code), os.fspath(path))
            return usual(path, flags, *more, **named)

        return opened

    def _torn(self, usual: Callable[..., int]) -> Callable[..., int]:
        def write(descriptor: int, data: bytes, offset: int) -> int:
            if self.refused():
                usual(descriptor, data[: len(data) // 2], offset)
                raise OSError(self.code, os.strerror(self.code))
            return usual(descriptor, data, offset)

        return write

    def _fdopen(self, usual: Callable[..., Any]) -> Callable[..., Any]:
        def opened(descriptor: int, mode: str = "r", *more: Any, **named: Any) -> Any:
            if mode != "wb":
                return usual(descriptor, mode, *more, **named)
            raw = _File(descriptor, "wb")
            raw.disk = self
            return io.BufferedWriter(raw)

        return opened
