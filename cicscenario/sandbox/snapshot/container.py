"""The file of a snapshot: its manifest, a tar archive packed with zstd, and a digest over all that is before it.

Manifest and digest are in skippable frames of zstd, so that `zstd -d < FILE | tar -t` lists the archive. Source of the frames:
RFC 8878, section 3.1.2. The file is read twice: first its digest is made, then it is unpacked, so that nothing of a damaged
file is written anywhere. The digest finds damage; it does not say who made the file.
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, BinaryIO

from cicscenario.errors import StateRefusedError, UnavailableError
from cicscenario.inputs import open_input
from cicscenario.sandbox.digesting import Digesting
from cicscenario.sandbox.snapshot.manifest import Manifest, parse

if TYPE_CHECKING:
    import zstandard

_FRAME = struct.Struct("<II")  # magic number and length of a skippable frame
_FIRST, _LAST = 0x184D2A5C, 0x184D2A5D
_OURS = b"cicscenario snapshot\n"  # the manifest's frame begins with it
_MOST_TEXT = 4_000_000  # bytes of a manifest
_DIGEST = hashlib.sha256().digest_size
_TAIL = _FRAME.size + _DIGEST
_LEVEL = 3  # of zstd: higher ones take five times as long, and save a tenth
_WINDOW = 8 * 2**20  # bytes of memory that a file may ask for; level 3 asks for 2 MiB
_PIECE = 1 << 20  # bytes that are read at once


@contextmanager
def writing(file: BinaryIO, manifest: Manifest) -> Iterator["zstandard.ZstdCompressionWriter"]:
    """Writes a snapshot to ``file``. Gives what the archive is written into; the digest is written when the block ends."""
    through = Digesting(file)
    head = _OURS + manifest.text()
    if len(head) > _MOST_TEXT:
        raise StateRefusedError(f"a snapshot of so many runs cannot be made: {len(manifest.runs):,}")
    through.write(_FRAME.pack(_FIRST, len(head)) + head)
    packer = _zstandard().ZstdCompressor(level=_LEVEL, write_checksum=True)
    with packer.stream_writer(through, closefd=False) as archive:
        yield archive
    file.write(_FRAME.pack(_LAST, _DIGEST) + through.digest.digest())


@dataclass(frozen=True)
class OpenSnapshot:
    """A snapshot whose digest is right. ``archive`` reads the tar archive, once."""

    path: Path
    manifest: Manifest
    archive: BinaryIO


@contextmanager
def opened(path: Path) -> Iterator[OpenSnapshot]:
    """Opens a snapshot and checks all of it against its digest. Raises StateRefusedError with the reason, and OSError."""
    with open_input(path) as file:
        manifest = _head(path, file)
        begin, end = file.tell(), _checked_end(path, file)
        file.seek(begin)
        zstandard = _zstandard()
        reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(
            _Part(file, end - begin), read_across_frames=False, closefd=False
        )
        try:
            yield OpenSnapshot(path, manifest, reader)
        except zstandard.ZstdError as error:
            raise _refused(path, f"it cannot be unpacked ({error})") from None


def manifest_of(path: Path) -> Manifest:
    """The manifest of a snapshot. The file must be whole as far as its length says; its digest is not checked."""
    with open_input(path) as file:
        manifest = _head(path, file)
        _tail(path, file)
        return manifest


def _head(path: Path, file: BinaryIO) -> Manifest:
    start = file.read(_FRAME.size + len(_OURS))
    if len(start) < _FRAME.size:
        raise _refused(path, "it is not a snapshot")
    magic, length = _FRAME.unpack_from(start)
    if magic != _FIRST or start[_FRAME.size :] != _OURS or not len(_OURS) <= length <= _MOST_TEXT:
        raise _refused(path, "it is not a snapshot")
    text = file.read(length - len(_OURS))
    if len(text) != length - len(_OURS):
        raise _refused(path, _CUT)
    try:
        return parse(text)
    except ValueError as error:
        raise _refused(path, str(error)) from None


_CUT = "its end is missing: was it copied to the end?"


def _tail(path: Path, file: BinaryIO) -> tuple[int, bytes]:
    """The place of the last frame, and the digest in it."""
    size = os.fstat(file.fileno()).st_size
    place = size - _TAIL
    if place <= file.tell():
        raise _refused(path, _CUT)
    file.seek(place)
    tail = file.read(_TAIL)
    if len(tail) != _TAIL or _FRAME.unpack_from(tail) != (_LAST, _DIGEST):
        raise _refused(path, _CUT)
    return place, tail[_FRAME.size :]


def _checked_end(path: Path, file: BinaryIO) -> int:
    """Where the archive ends. Raises StateRefusedError when the digest is not that of all that is before it."""
    end, wanted = _tail(path, file)
    digest, left = hashlib.sha256(), end
    file.seek(0)
    while left and (piece := file.read(min(_PIECE, left))):
        digest.update(piece)
        left -= len(piece)
    if digest.digest() != wanted:
        raise _refused(path, "it is damaged: its content is not that of its digest")
    return end


class _Part:
    """The next ``size`` bytes of a file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data


def _refused(path: Path, reason: str) -> StateRefusedError:
    return StateRefusedError(f"{path} cannot be used: {reason}", hint="nothing was changed; name another snapshot")


def _zstandard() -> ModuleType:
    """The package, which is loaded only here: installations without the sandbox do not have it."""
    try:
        return import_module("zstandard")
    except ImportError:
        raise UnavailableError(
            "snapshots need the package zstandard, which is not installed", hint="pip install 'cicscenario[sandbox]'"
        ) from None
