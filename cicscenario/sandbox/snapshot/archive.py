"""The archive in a snapshot: files and folders only, each in its place, and no more than the manifest says.

It is in the oldest form of tar (ustar), one block of 512 bytes before each file. Everything else that tar files may have (links,
devices, long names, headers of any size) is refused when it is read: the file may be somebody else's.
"""

import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from cicscenario.errors import StateRefusedError
from cicscenario.files import inner_folder, new_file
from cicscenario.inputs import open_input

_BLOCK = tarfile.BLOCKSIZE
_PIECE = 1 << 20  # bytes that are copied at once
_LARGEST = 0o77777777777  # bytes of one file, as many as ustar can tell
_FOLDER, _FILE = 0o700, 0o600


class _Sink(Protocol):
    def write(self, data: bytes, /) -> int: ...


@dataclass(frozen=True)
class Member:
    """A file or a folder: its name in the archive, with slashes, and the file on disk."""

    name: str
    path: Path
    size: int | None  #: bytes; None for a folder


def members_of(top: Path, name: str, is_left_out: Callable[[str], bool]) -> Iterator[Member]:
    """``top``, a file or folder that is named ``name`` in the archive, and all that is in it, in order of names.

    What ``is_left_out`` says of a name is left out, and what is no file or folder, such as a socket. Raises
    StateRefusedError for a symbolic link within, and for a file that is too large.
    """
    if is_left_out(name):
        return
    if top.is_dir():
        yield Member(name, top, None)
        with os.scandir(top) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.is_symlink():
                    raise StateRefusedError(
                        f"{entry.path} is a symbolic link, and a snapshot has none", hint="put the file itself there"
                    )
                yield from members_of(Path(entry.path), f"{name}/{entry.name}", is_left_out)
    elif top.is_file():
        if (size := top.stat().st_size) > _LARGEST:
            raise StateRefusedError(f"{top} is too large for a snapshot: {size:,} bytes, at most {_LARGEST:,}")
        yield Member(name, top, size)


def write_archive(sink: _Sink, members: Iterator[Member]) -> None:
    """Writes an archive of ``members``. Raises StateRefusedError for a name that is too long, or a file that changes."""
    for member in members:
        sink.write(_header(member))
        if member.size is not None:
            _copy_in(sink, member, member.size)
    sink.write(bytes(2 * _BLOCK))


def _header(member: Member) -> bytes:
    header = tarfile.TarInfo(member.name)
    header.size = member.size or 0
    header.type, header.mode = (tarfile.DIRTYPE, _FOLDER) if member.size is None else (tarfile.REGTYPE, _FILE)
    try:
        return header.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")
    except ValueError:
        raise StateRefusedError(f"{member.path} has a name that is too long for a snapshot") from None


def _copy_in(sink: _Sink, member: Member, size: int) -> None:
    left = size
    with open_input(member.path, follow=False) as file:
        while left and (piece := file.read(min(_PIECE, left))):
            sink.write(piece)
            left -= len(piece)
        if left or file.read(1):
            raise StateRefusedError(f"{member.path} has changed while it was copied", hint="who else writes to it?")
    sink.write(bytes(-size % _BLOCK))


@dataclass(frozen=True)
class ArchiveBounds:
    """How much an archive may have."""

    files: int
    size: int  #: bytes of all files


def unpack(archive: BinaryIO, target: Path, bounds: ArchiveBounds, is_expected: Callable[[str], bool]) -> None:
    """Writes what is in an archive to the folder ``target``, which is ours alone: files with mode 0600, folders with 0700.

    Raises ValueError with the reason for a name that is not ``is_expected``, that leads out of ``target`` or comes twice; for
    anything but a file or folder; and for more than ``bounds``. What was written up to there stays.
    """
    files, left = bounds.files, bounds.size
    while header := _next(archive):
        files -= 1
        left -= header.size
        if files < 0 or left < 0:
            raise ValueError("it has more in it than it says")
        path = _place(header, target, is_expected)
        try:
            if header.isdir():
                inner_folder(path)
                continue
            file = new_file(path)
        except (FileExistsError, FileNotFoundError, NotADirectoryError):
            raise ValueError(f"{header.name!r:.100} is in it twice, or its folder is not") from None
        with file:
            _copy_out(archive, file, header.size)
    if files or left:
        raise ValueError("it has less in it than it says")


def _next(archive: BinaryIO) -> tarfile.TarInfo | None:
    """The next header; None at the end."""
    block = _read(archive, _BLOCK)
    if not block.strip(b"\0"):
        return None
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError) as error:
        raise ValueError(f"it has a header that cannot be read ({error})") from None
    if header.type not in (tarfile.REGTYPE, tarfile.DIRTYPE) or header.size < 0 or (header.isdir() and header.size):
        raise ValueError(f"{header.name!r:.100} in it is no file or folder")
    return header


def _place(header: tarfile.TarInfo, target: Path, is_expected: Callable[[str], bool]) -> Path:
    """Where a member is to be written. What leads out of a folder is nothing that a snapshot has."""
    name = header.name
    if not name.isprintable() or any(step in ("", ".", "..") for step in name.split("/")) or not is_expected(name):
        raise ValueError(f"{name!r:.100} is nothing that a snapshot has")
    return target / name


def _copy_out(archive: BinaryIO, file: BinaryIO, size: int) -> None:
    left = size
    while left:
        piece = _read(archive, min(_PIECE, left))
        file.write(piece)
        left -= len(piece)
    _read(archive, -size % _BLOCK)


def _read(archive: BinaryIO, size: int) -> bytes:
    """Exactly ``size`` bytes."""
    pieces = []
    while size and (piece := archive.read(size)):
        pieces.append(piece)
        size -= len(piece)
    if size:
        raise ValueError("the archive in it ends too early")
    return b"".join(pieces)
