"""The chain on the disk: a line for its genesis, then a line a block with its raw transactions. Replaying it is the chain."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cicscenario.errors import StateRefusedError


@dataclass(frozen=True)
class Record:
    """A mined block; ``timestamp`` in Unix seconds."""

    timestamp: int
    transactions: tuple[bytes, ...]


class Journal:
    """An append-only file. A last line without its end, torn by a kill, is dropped when it is opened."""

    def __init__(self, path: Path, genesis: dict[str, Any]) -> None:
        """``genesis`` says what chain it is; raises StateRefusedError when the file holds another.

        ``genesis_time`` is kept from the first time on and may differ.
        """
        self._path = path
        if not path.exists():
            path.write_text(json.dumps(genesis) + "\n", "ascii")
        whole = path.read_bytes()
        end = whole.rfind(b"\n") + 1
        if end < len(whole):
            with path.open("r+b") as file:
                file.truncate(end)
        lines = whole[:end].splitlines(keepends=True)
        self.genesis: dict[str, Any] = json.loads(lines[0])
        self._ends = [len(lines[0])]
        for line in lines[1:]:
            self._ends.append(self._ends[-1] + len(line))
        different = [key for key in genesis if key != "genesis_time" and genesis[key] != self.genesis[key]]
        if different:
            raise StateRefusedError(
                f"{path} is the chain of another {', '.join(different)}", hint="use another data folder for this chain"
            )
        self._file = path.open("ab")

    def records(self) -> Iterator[Record]:
        """Every block after the genesis."""
        with self._path.open("rb") as file:
            next(file)
            for line in file:
                held = json.loads(line)
                yield Record(held["t"], tuple(bytes.fromhex(raw) for raw in held["tx"]))

    def append(self, record: Record) -> None:
        """Writes a block; it outlives a kill of this process when this returns."""
        line = json.dumps({"t": record.timestamp, "tx": [raw.hex() for raw in record.transactions]}) + "\n"
        self._file.write(line.encode("ascii"))
        self._file.flush()
        self._ends.append(self._ends[-1] + len(line))

    def truncate(self, blocks: int) -> None:
        """Forgets everything after the first ``blocks`` blocks behind the genesis."""
        del self._ends[blocks + 1 :]
        self._file.truncate(self._ends[-1])

    def close(self) -> None:
        self._file.close()
