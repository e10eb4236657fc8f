"""A disk that is full, or broken, at the n-th write of SQLite: SQLite's own way of testing (its "crash" and "I/O error" tests).

A VFS, SQLite's layer for files, is registered beside the usual one. It passes everything on, and counts and fails what changes
a file: writes, truncations, flushes, and growth of the shared memory file. It is made with ctypes on the library that the
module sqlite3 uses, so the product's code runs as it is. A flush is counted but not done, since it is slow.
"""

import _sqlite3
import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p, cast, pointer
from typing import Any

import pytest

FULL = 13  #: SQLITE_FULL: no space left
BROKEN = 10  #: SQLITE_IOERR

_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)
_MAP = CFUNCTYPE(c_int, c_void_p, c_int, c_int, c_int, c_void_p)


class _Vfs(Structure):
    """``sqlite3_vfs``, version 3."""

    _fields_ = [
        ("iVersion", c_int),
        ("szOsFile", c_int),
        ("mxPathname", c_int),
        ("pNext", c_void_p),
        ("zName", c_char_p),
        ("pAppData", c_void_p),
        ("xOpen", c_void_p),
        ("others", c_void_p * 15),
    ]


class _Methods(Structure):
    """``sqlite3_io_methods``, version 3."""

    _fields_ = [
        ("iVersion", c_int),
        ("xClose", c_void_p),
        ("xRead", c_void_p),
        ("xWrite", c_void_p),
        ("xTruncate", c_void_p),
        ("xSync", c_void_p),
        ("others", c_void_p * 7),
        ("xShmMap", c_void_p),
        ("more", c_void_p * 5),
    ]


class FailingDisk:
    """Counts the changes of files. From change ``first`` on (1 is the next one) ``times`` of them fail with ``code``."""

    def __init__(self, library: Any) -> None:
        library.sqlite3_vfs_find.restype = POINTER(_Vfs)
        library.sqlite3_vfs_register.argtypes = [POINTER(_Vfs), c_int]
        library.sqlite3_vfs_unregister.argtypes = [POINTER(_Vfs)]
        self._library = library
        self._usual = library.sqlite3_vfs_find(None)
        self._vfs = _Vfs.from_buffer_copy(self._usual.contents)
        self._vfs.zName = b"failing"
        self._kept: list[Any] = []  # what SQLite has pointers to
        self._wrapped: dict[int, _Methods] = {}
        self._vfs.xOpen = self._pointer(_OPEN(self._open))
        self.changes = 0
        self._fails: range = range(0)
        self._code = FULL
        self._torn = False

    def fail(self, first: int, *, times: int = 1_000_000, code: int = FULL, torn: bool = False) -> None:
        """With ``torn`` half of what a failing write was given reaches the file."""
        self.changes, self._fails = 0, range(first, first + times)
        self._code, self._torn = code, torn

    def mend(self) -> None:
        self._fails = range(0)

    @property
    def failed(self) -> bool:
        return bool(self._fails) and self.changes >= self._fails[0]

    def register(self) -> None:
        assert self._library.sqlite3_vfs_register(pointer(self._vfs), 1) == 0

    def unregister(self) -> None:
        assert self._library.sqlite3_vfs_unregister(pointer(self._vfs)) == 0

    def _pointer(self, function: Any) -> int | None:
        self._kept.append(function)
        return cast(function, c_void_p).value

    def _refused(self) -> bool:
        self.changes += 1
        return self.changes in self._fails

    def _open(self, vfs: int, name: int, file: int, flags: int, out: int) -> int:
        result: int = _OPEN(self._usual.contents.xOpen)(ctypes.addressof(self._vfs), name, file, flags, out)
        methods = cast(file, POINTER(c_void_p))
        if result == 0 and methods[0] is not None:
            methods[0] = ctypes.addressof(self._methods(methods[0]))
        return result

    def _methods(self, usual: int) -> _Methods:
        """The methods at address ``usual`` with those that change a file replaced."""
        if usual in self._wrapped:
            return self._wrapped[usual]
        methods = _Methods.from_buffer_copy(_Methods.from_address(usual))
        write, truncate = _WRITE(methods.xWrite), _TRUNCATE(methods.xTruncate)

        def failing_write(file: int, data: int, size: int, offset: int) -> int:
            if not self._refused():
                return int(write(file, data, size, offset))
            if self._torn:
                write(file, data, size // 2, offset)
            return self._code

        methods.xWrite = self._pointer(_WRITE(failing_write))
        methods.xTruncate = self._pointer(
            _TRUNCATE(lambda file, size: self._code if self._refused() else truncate(file, size))
        )
        methods.xSync = self._pointer(_SYNC(lambda file, how: BROKEN if self._refused() else 0))
        if methods.iVersion >= 2 and methods.xShmMap:
            map_ = _MAP(methods.xShmMap)
            methods.xShmMap = self._pointer(
                _MAP(
                    lambda file, page, size, extend, out: (
                        BROKEN if extend and self._refused() else map_(file, page, size, extend, out)
                    )
                )
            )
        self._wrapped[usual] = methods
        return methods


@contextmanager
def failing_disk() -> Iterator[FailingDisk]:
    """Connections to SQLite that are opened meanwhile use the disk that is given."""
    library = next(
        (one for one in (ctypes.CDLL(_sqlite3.__file__), ctypes.CDLL(None)) if hasattr(one, "sqlite3_vfs_find")), None
    )
    if library is None:
        pytest.skip("the SQLite of this Python cannot be reached from outside: it is linked into it")
    disk = FailingDisk(library)
    disk.register()
    try:
        yield disk
    finally:
        disk.unregister()
