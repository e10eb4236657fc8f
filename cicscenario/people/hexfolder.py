"""Folders of the old tools: files two hexadecimal levels deep by key, and ``.master``, their keys in order of arrival."""

import os
from collections.abc import Iterator
from pathlib import Path

from cicscenario.people.findings import Findings


class HexFolder:
    """A folder of files by keys of ``size`` bytes, such as ``src/02/AC/02AC0F81...``, with any of the ``suffixes``.

    Beside a file the old tools put a link to it that ends in ``.json``; in 2021 there was only a file of that name.
    """

    def __init__(self, path: Path, size: int, suffixes: tuple[str, ...] = ("", ".json")) -> None:
        self.path = path
        self._size = size
        self._suffixes = suffixes

    def path_of(self, key: bytes) -> Path:
        """Where the file of a key is; when there is none, where it should be."""
        for name in (key.hex().upper(), key.hex()):
            for suffix in self._suffixes:
                path = self._place(name, suffix)
                if path.exists():
                    return path
        return self._place(key.hex().upper(), self._suffixes[0])

    def _place(self, name: str, suffix: str) -> Path:
        return self.path / name[:2] / name[2:4] / f"{name}{suffix}"

    def keys(self, findings: Findings) -> list[bytes]:
        """Keys of all files: first those of ``.master`` in its order, then the others sorted.

        What is no file of a key, and a key of ``.master`` without a file, goes to the findings.
        """
        there = {key for path in self._files() if (key := self._key_of(path, findings))}
        listed = dict.fromkeys(self._listed(findings))  # a key may have arrived twice
        for key in listed:
            if key not in there:
                findings.add(self.path / ".master", f"lists {key.hex()}, of which there is no file")
        ordered = [key for key in listed if key in there]
        return ordered + sorted(there - listed.keys())

    def _files(self) -> Iterator[Path]:
        """Everything but hidden files and folders that are no level."""
        for folder, names, files in os.walk(self.path):
            names.sort()
            depth = len(Path(folder).relative_to(self.path).parts)
            if depth == 2:
                names.clear()
            for name in sorted(files):
                if not name.startswith("."):
                    yield Path(folder) / name

    def _key_of(self, path: Path, findings: Findings) -> bytes | None:
        name = next((path.name.removesuffix(s) for s in reversed(self._suffixes) if path.name.endswith(s)), path.name)
        try:
            key = bytes.fromhex(name)
        except ValueError:
            key = b""
        if len(key) != self._size or len(name) != 2 * self._size:
            findings.add(path, f"its name is not {2 * self._size} hexadecimal digits")
            return None
        if path.parent != self._place(name, "").parent:
            findings.add(path, f"it belongs in folder {name[:2]}/{name[2:4]}")
            return None
        return key

    def _listed(self, findings: Findings) -> list[bytes]:
        master = self.path / ".master"
        try:
            raw = master.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            findings.add(master, f"cannot be read: {(error.strerror or '').lower()}")
            return []
        if len(raw) % self._size:
            findings.add(master, f"is not a list of keys of {self._size} bytes")
            return []
        return [raw[start : start + self._size] for start in range(0, len(raw), self._size)]
