"""Reads the files that users name: regular files of bounded size, so that a pipe or a device neither waits nor fills memory."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, cast

SMALL = 1_000_000  #: bytes; for what people write by hand: settings, secrets, keys, one person's document
LARGE = 256_000_000  #: bytes; for a file that lists a whole population


def open_input(path: Path, *, follow: bool = True) -> BinaryIO:
    """Opens a regular file. Raises OSError for anything else; ``follow`` is whether it may be a symbolic link to one.

    A pipe such as ``<(...)`` is refused, too: inputs are read more than once, and again by the run that resumes.
    """
    # Open first and fstat then, so that both see the same file. Non-blocking, because opening a FIFO would wait.
    more = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, os.O_RDONLY | more)
    except ValueError as error:  # a NUL in the path
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    except OSError as error:
        if error.errno == errno.ELOOP and not follow:
            raise OSError(errno.ELOOP, "it is a symbolic link", str(path)) from None
        if error.errno == errno.ENXIO:  # a socket, or a device that is not there
            raise OSError(errno.EINVAL, "it is not a regular file", str(path)) from None
        raise
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        raise OSError(errno.EINVAL, _KINDS.get(kind, "it is not a regular file"), str(path))
    return cast("BinaryIO", os.fdopen(descriptor, "rb"))


_KINDS = {
    stat.S_IFDIR: "it is a folder",
    stat.S_IFIFO: "it is a pipe, which can be read only once; expected a regular file",
    stat.S_IFCHR: "it is a device; expected a regular file",
    stat.S_IFBLK: "it is a device; expected a regular file",
}


def read_input(path: Path, most: int = SMALL, *, follow: bool = True) -> bytes:
    """The content of a regular file of at most ``most`` bytes. Raises OSError for anything else; see ``open_input``."""
    with open_input(path, follow=follow) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(most + 1) if size <= most else b""
    if size > most or len(data) > most:
        raise OSError(errno.EFBIG, f"it has {max(size, len(data)):,} bytes, expected at most {most:,}", str(path))
    return data


def read_text_input(path: Path, most: int = SMALL, *, encoding: str = "utf-8-sig") -> str:
    """The text of a regular file of at most ``most`` bytes. Raises OSError, and UnicodeError for another encoding."""
    return read_input(path, most).decode(encoding)
