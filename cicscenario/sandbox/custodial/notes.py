"""What a process of the worker runs beside the task that it was handed, where the worker finds it when the process is killed."""

import json
import mmap
from collections.abc import Iterable

from cicscenario.sandbox.custodial.outbox import Kept

_ROOM = 1 << 20  # bytes; what nobody writes into takes no memory
_LENGTH = 4  # bytes


class Notes:
    """Memory that a process shares with those that it forks."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _ROOM)

    def write(self, kept: Iterable[Kept]) -> None:
        """Notes tasks: the first one runs, and the others wait. Those that there is no room for are not noted."""
        text = json.dumps([(each.headers, each.properties, each.body) for each in kept]).encode()
        self._memory[:_LENGTH] = bytes(_LENGTH)  # so that a half-written note is none
        if len(text) <= _ROOM - _LENGTH:
            self._memory[_LENGTH : _LENGTH + len(text)] = text
            self._memory[:_LENGTH] = len(text).to_bytes(_LENGTH, "big")

    def read(self) -> list[Kept]:
        length = int.from_bytes(self._memory[:_LENGTH], "big")
        return [Kept(*parts) for parts in json.loads(self._memory[_LENGTH : _LENGTH + length])] if length else []

    def close(self) -> None:
        self._memory.close()
