"""What a process of the worker runs beside the task that it was handed, where it is found when the process is killed.

It is in files that the processes map into their memory: a file is written at the speed of memory, and outlives them.
"""

import json
import mmap
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from cicscenario.files import open_in_place
from cicscenario.jsontext import parse_json
from cicscenario.sandbox.custodial.outbox import Kept

_PREFIX = "kept-"  # of the files
_ROOM = 1 << 18  # bytes
_LENGTH = 4  # bytes


class Notes:
    """A new file in ``folder``, in memory that a process shares with those that it forks."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{_PREFIX}{secrets.token_hex(8)}"
        with os.fdopen(open_in_place(self.path), "r+b") as file:
            file.truncate(_ROOM)
            self._memory = mmap.mmap(file.fileno(), _ROOM)

    def write(self, kept: Iterable[Kept]) -> None:
        """Notes tasks: the first one runs, and the others wait. Those that there is no room for are not noted."""
        text = json.dumps([(each.headers, each.properties, each.body) for each in kept]).encode()
        self._memory[:_LENGTH] = bytes(_LENGTH)  # so that a half-written note is none
        if len(text) <= _ROOM - _LENGTH:
            self._memory[_LENGTH : _LENGTH + len(text)] = text
            self._memory[:_LENGTH] = len(text).to_bytes(_LENGTH, "big")

    def read(self) -> list[Kept]:
        return _read(self._memory[:])

    def close(self) -> None:
        """Leaves the file."""
        self._memory.close()

    def remove(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)


def left_in(folder: Path) -> Iterator[tuple[Path, list[Kept]]]:
    """The files of processes that have ended with their worker, and the tasks that waited in each.

    Those of processes that run would be among them.
    """
    for path in sorted(folder.glob(f"{_PREFIX}*")):
        yield path, _read(path.read_bytes())[1:]


def _read(raw: bytes) -> list[Kept]:
    length = int.from_bytes(raw[:_LENGTH], "big")
    return [Kept(*parts) for parts in parse_json(raw[_LENGTH : _LENGTH + length])] if length else []
