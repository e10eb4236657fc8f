"""Reads folders of the old tools: files by key, two hexadecimal levels deep, and ``.master``, the keys in order.

Names may be in upper, lower or mixed case, with or without 0x. Hidden files and what editors and file managers leave behind
are passed over.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from cicscenario.errors import reason_of
from cicscenario.inputs import LARGE, read_input
from cicscenario.legacy.badrecords import BadRecords

_LEFT_BEHIND = re.compile(r"\..*|.*~|#.*#|.*\.(bak|orig|old|tmp|swp|swo)|thumbs\.db|desktop\.ini", re.IGNORECASE)
_LEVELS = 2


class HexFolder:
    """A folder of files by keys of ``size`` bytes, such as ``src/02/AC/02AC0F81...``, with any of the ``suffixes``.

    The old tools write each file and a link to it with the suffix ``.json``; in 2021, only a file with the suffix.
    """

    def __init__(self, path: Path, size: int, suffixes: tuple[str, ...] = ("", ".json")) -> None:
        self.path = path
        self._size = size
        self._suffixes = suffixes
        self._elsewhere: dict[bytes, str] = {}  # the files whose name is not in upper case, by key, once `keys` has run

    def path_of(self, key: bytes) -> Path:
        """The path of the file of a key; if there is none, its expected path."""
        if found := self._elsewhere.get(key):
            return self.path / found
        digits = key.hex()
        for name in (digits.upper(), digits):
            for suffix in self._suffixes:
                place = f"{self.path}/{_folder(name)}/{name}{suffix}"
                if os.path.exists(place):  # noqa: PTH110 (Path costs ten times as much, for each of many people)
                    return Path(place)
        name = digits.upper()
        return self.path / _folder(name) / f"{name}{self._suffixes[0]}"

    def keys(self, bad: BadRecords, *, people: bool = False) -> list[bytes]:
        """The keys of all files: first those of ``.master`` in its order, then the others sorted.

        Files whose name is not a key, two files of one key, and keys in ``.master`` without a file are added to ``bad``.
        ``people`` is whether the keys are those of people, who cannot be used when they have two files.
        """
        there: set[bytes] = set()
        for folder, file in self._files(bad):
            if (key := self._key_of(folder, file, bad)) is None:
                continue
            stem, usual = f"{folder}/{self._stem(file)}", f"{_folder(key.hex().upper())}/{key.hex().upper()}"
            known = usual if key in there else self._elsewhere.get(key, stem)
            if stem == usual:
                there.add(key)
            else:
                self._elsewhere.setdefault(key, f"{folder}/{file}")
            if self._stem(known) != stem and not _same(self.path / known, self.path / folder / file):
                bad.add(self.path / folder / file, "is a second file of the same key", whose=key if people else None)
        for key in there & self._elsewhere.keys():
            del self._elsewhere[key]
        there |= self._elsewhere.keys()
        return self._ordered(there, bad)

    def _ordered(self, there: set[bytes], bad: BadRecords) -> list[bytes]:
        listed = dict.fromkeys(self._listed(bad))  # a key may have arrived twice
        for key in listed:
            if key not in there:
                bad.add(self.path / ".master", f"lists {key.hex()}, which has no file")
        ordered = [key for key in listed if key in there]
        return ordered + sorted(there - listed.keys())

    def _files(self, bad: BadRecords) -> Iterator[tuple[str, str]]:
        """The relative folder and the name of each entry down to the second level, without what was left behind."""
        top = len(str(self.path)) + 1
        for folder, names, files in os.walk(self.path, onerror=lambda error: _unreadable(self.path, error, bad)):
            names[:] = sorted(name for name in names if not _LEFT_BEHIND.fullmatch(name))
            place = folder[top:]
            if place.count("/") == _LEVELS - 1:
                for name in names:
                    bad.add(Path(folder) / name, "is a folder: expected a file")
                names.clear()
            for name in sorted(files):
                if not _LEFT_BEHIND.fullmatch(name):
                    yield place, name

    def _stem(self, file: str) -> str:
        """The name of a file without its suffix."""
        fitting = (s for s in sorted(self._suffixes, key=len, reverse=True) if file.lower().endswith(s))
        return file[: len(file) - len(next(fitting, ""))]

    def _key_of(self, folder: str, file: str, bad: BadRecords) -> bytes | None:
        name = self._stem(file)
        digits = name[2:] if name[:2] in ("0x", "0X") else name
        if not re.fullmatch(f"[0-9a-fA-F]{{{2 * self._size}}}", digits):
            bad.add(self.path / folder / file, f"its name is not {2 * self._size} hexadecimal digits")
            return None
        if folder.lower() not in (_folder(digits).lower(), _folder(name).lower()):
            bad.add(self.path / folder / file, f"it belongs in folder {_folder(digits).upper()}")
            return None
        return bytes.fromhex(digits)

    def _listed(self, bad: BadRecords) -> list[bytes]:
        master = self.path / ".master"
        try:
            raw = read_input(master, LARGE)
        except FileNotFoundError:
            return []
        except OSError as error:
            bad.add(master, f"cannot be read: {reason_of(error)}")
            return []
        if len(raw) % self._size:
            bad.add(master, f"is not a list of keys of {self._size} bytes")
            return []
        return [raw[start : start + self._size] for start in range(0, len(raw), self._size)]


def _same(first: Path, second: Path) -> bool:
    """Whether two files have the same content."""
    try:
        return read_input(first) == read_input(second)
    except OSError:
        return False


def _folder(name: str) -> str:
    return f"{name[:2]}/{name[2:4]}"


def _unreadable(path: Path, error: OSError, bad: BadRecords) -> None:
    """A folder that is not there has no files; one that cannot be read may have any."""
    if not isinstance(error, FileNotFoundError):
        reason = reason_of(error)
        bad.add(Path(error.filename or path), f"cannot be read: {reason}", fatal=True)
