"""Reads folders of the old tools: files by key, two hexadecimal levels deep, and ``.master``, the keys in order."""

import os
from collections.abc import Iterator
from pathlib import Path

from cicscenario.legacy.badrecords import BadRecords


class HexFolder:
    """A folder of files by keys of ``size`` bytes, such as ``src/02/AC/02AC0F81...``, with any of the ``suffixes``.

    The old tools write each file and a link to it with the suffix ``.json``; in 2021, only a file with the suffix.
    """

    def __init__(self, path: Path, size: int, suffixes: tuple[str, ...] = ("", ".json")) -> None:
        self.path = path
        self._size = size
        self._suffixes = suffixes

    def path_of(self, key: bytes) -> Path:
        """The path of the file of a key; if there is none, its expected path."""
        digits = key.hex()
        for name in (digits.upper(), digits):
            for suffix in self._suffixes:
                place = f"{self.path}/{_folder(name)}/{name}{suffix}"
                if os.path.exists(place):  # noqa: PTH110 (Path costs ten times as much, for each of many people)
                    return Path(place)
        name = digits.upper()
        return self.path / _folder(name) / f"{name}{self._suffixes[0]}"

    def keys(self, bad: BadRecords) -> list[bytes]:
        """The keys of all files: first those of ``.master`` in its order, then the others sorted.

        Files whose name is not a key, and keys in ``.master`` without a file, are added to ``bad``.
        """
        there = {key for place in self._files() if (key := self._key_of(*place, bad))}
        listed = dict.fromkeys(self._listed(bad))  # a key may have arrived twice
        for key in listed:
            if key not in there:
                bad.add(self.path / ".master", f"lists {key.hex()}, which has no file")
        ordered = [key for key in listed if key in there]
        return ordered + sorted(there - listed.keys())

    def _files(self) -> Iterator[tuple[str, str]]:
        """The relative folder and the name of each entry down to the second level, without hidden files."""
        top = len(str(self.path)) + 1
        for folder, names, files in os.walk(self.path):
            names.sort()
            place = folder[top:]
            if place.count("/") == 1:
                names.clear()
            for name in sorted(files):
                if not name.startswith("."):
                    yield place, name

    def _key_of(self, folder: str, file: str, bad: BadRecords) -> bytes | None:
        name = next((file.removesuffix(s) for s in reversed(self._suffixes) if file.endswith(s)), file)
        try:
            key = bytes.fromhex(name)
        except ValueError:
            key = b""
        if len(key) != self._size or len(name) != 2 * self._size:
            bad.add(self.path / folder / file, f"its name is not {2 * self._size} hexadecimal digits")
            return None
        if folder != _folder(name):
            bad.add(self.path / folder / file, f"it belongs in folder {_folder(name)}")
            return None
        return key

    def _listed(self, bad: BadRecords) -> list[bytes]:
        master = self.path / ".master"
        try:
            raw = master.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            bad.add(master, f"cannot be read: {(error.strerror or '').lower()}")
            return []
        if len(raw) % self._size:
            bad.add(master, f"is not a list of keys of {self._size} bytes")
            return []
        return [raw[start : start + self._size] for start in range(0, len(raw), self._size)]


def _folder(name: str) -> str:
    return f"{name[:2]}/{name[2:4]}"
