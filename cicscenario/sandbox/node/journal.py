"""The chain on disk: an append-only file of JSON lines, from which the same blocks can be mined again.

The first line is the genesis configuration. Each further line is a block: its number, time and raw transactions. A line
is passed to the operating system before any client can see its block, so a killed node loses no block that a client has
seen. It is not synced to the disk, so a power cut may lose the last blocks. An incomplete last line is dropped.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cicscenario.errors import StateRefusedError
from cicscenario.files import open_in_place
from cicscenario.jsontext import parse_json

FILE_NAME = "chain.jsonl"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Genesis:
    """The configuration of block 0: ``time`` in seconds since 1970; ``rich`` are balances, from address to wei."""

    chain_id: int
    gas_limit: int
    time: int
    rich: dict[str, int]


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """One block's line; ``transactions`` are raw."""

    number: int
    timestamp: int
    transactions: tuple[bytes, ...]


class Journal:
    """The open, locked file. Raises StateRefusedError when another node uses it."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / FILE_NAME
        self._file = os.fdopen(open_in_place(self.path), "r+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise StateRefusedError(
                f"{directory} is in use by another node", hint="Stop that node, or choose another --data."
            ) from None
        self._ends: list[int] = []  # by block number: position after the block's line

    def read_genesis(self) -> Genesis | None:
        """The genesis, or None for a new chain. Raises StateRefusedError when the file is not a chain."""
        line = self._file.readline()
        if not line.endswith(b"\n"):
            self._cut(0)
            return None
        record = self._parse(line, 1)
        if record.pop("format", None) != FORMAT:
            raise StateRefusedError(f"{self.path}:1: not a chain of this version", hint="Choose another --data.")
        self._ends = [self._file.tell()]
        return Genesis(**record)

    def write_genesis(self, genesis: Genesis) -> None:
        self._append({"format": FORMAT, **asdict(genesis)})

    def read_blocks(self) -> Iterator[BlockRecord]:
        """The blocks from 1 on; call ``read_genesis`` first. An incomplete last line is cut off.

        Raises StateRefusedError when another line is damaged.
        """
        while line := self._file.readline():
            if not line.endswith(b"\n"):
                self._cut(self._ends[-1])
                return
            record = self._parse(line, len(self._ends) + 1)
            if record.get("number") != len(self._ends):
                raise StateRefusedError(f"{self.path}:{len(self._ends) + 1}: expected block {len(self._ends)}")
            self._ends.append(self._file.tell())
            transactions = tuple(bytes.fromhex(raw) for raw in record["transactions"])
            yield BlockRecord(record["number"], record["timestamp"], transactions)

    def append_block(self, record: BlockRecord) -> None:
        transactions = [raw.hex() for raw in record.transactions]
        self._append({"number": record.number, "timestamp": record.timestamp, "transactions": transactions})

    def truncate(self, number: int) -> None:
        """Deletes every block after ``number``."""
        del self._ends[number + 1 :]
        self._cut(self._ends[number])

    def close(self) -> None:
        self._file.close()

    def _append(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(record, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        self._ends.append(self._file.tell())

    def _cut(self, size: int) -> None:
        self._file.seek(size)
        self._file.truncate()

    def _parse(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            record = parse_json(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise StateRefusedError(f"{self.path}:{number}: damaged, not a record", hint="Choose another --data.")
        return record
