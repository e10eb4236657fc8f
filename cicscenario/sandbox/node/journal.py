"""The chain on disk: an append-only file of JSON lines, from which the same blocks can be mined again.

The first line is the genesis configuration. Each further line is a block: its number, time and raw transactions, and what
executing them gave, by which a block is read back without executing it (lines of earlier versions lack it). A line is
passed to the operating system before any client can see its block, so a killed node loses no block that a client has seen:
while the disk is full, clients see nothing. It is not synced to the disk, so a power cut may lose the last blocks. An incomplete
last line is dropped.
"""

import fcntl
import hashlib
import json
import os
from array import array
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cicscenario.errors import StateRefusedError
from cicscenario.files import open_in_place
from cicscenario.jsontext import parse_json

FILE_NAME = "chain.jsonl"
FORMAT = 1
_PIECE = 1 << 20  # bytes that are read at once


@dataclass(frozen=True, slots=True)
class Genesis:
    """The configuration of block 0: ``time`` in seconds since 1970; ``rich`` are balances, from address to wei."""

    chain_id: int
    gas_limit: int
    time: int
    rich: dict[str, int]


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """One block's line; ``transactions`` are raw. ``results`` are those of ``results.results_of``; None in old lines."""

    number: int
    timestamp: int
    transactions: tuple[bytes, ...]
    results: list[Any] | None = None


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
        self._ends = array("Q")  # by block number: position after the block's line
        self._unwritten = b""  # the end of the last lines, for which the disk had no room

    def read_genesis(self) -> Genesis | None:
        """The genesis, or None for a new chain. Raises StateRefusedError when the file is not a chain."""
        line = self._file.readline()
        if not line.endswith(b"\n"):
            self._cut(0)
            return None
        record = self._parse(line, 1)
        if record.pop("format", None) != FORMAT:
            raise StateRefusedError(f"{self.path}:1: not a chain of this version", hint="Choose another --data.")
        self._ends.append(self._file.tell())
        return Genesis(**record)

    def write_genesis(self, genesis: Genesis) -> None:
        self._append({"format": FORMAT, **asdict(genesis)})
        self._file.seek(self._ends[-1])

    @property
    def ends(self) -> "array[int]":
        """By block number: the position after the block's line, in bytes."""
        return self._ends

    def go_on_behind(self, ends: "array[int]") -> None:
        """Takes the lines up to the last of ``ends`` as read; call ``read_genesis`` first."""
        self._ends = ends
        self._file.seek(ends[-1])

    def digest(self, end: int) -> str:
        """SHA-256 of the first ``end`` bytes; of fewer when the file is shorter."""
        digest, place = hashlib.sha256(), 0
        while piece := os.pread(self._file.fileno(), min(_PIECE, end - place), place):
            digest.update(piece)
            place += len(piece)
        return digest.hexdigest()

    def read_blocks(self) -> Iterator[BlockRecord]:
        """The blocks that are not read yet; call ``read_genesis`` first. An incomplete last line is cut off.

        Raises StateRefusedError when another line is damaged.
        """
        while line := self._file.readline():
            if not line.endswith(b"\n"):
                self._cut(self._ends[-1])
                return
            record = self._block(line, len(self._ends))
            self._ends.append(self._file.tell())
            yield record

    def read_block(self, number: int) -> BlockRecord:
        """A block that was read or appended before, from 1 on. Raises StateRefusedError when its line is damaged."""
        begin, end = self._ends[number - 1], self._ends[number]
        return self._block(os.pread(self._file.fileno(), end - begin, begin), number)

    def append_block(self, record: BlockRecord) -> None:
        line = {"number": record.number, "timestamp": record.timestamp}
        self._append(line | {"transactions": [raw.hex() for raw in record.transactions], "results": record.results})

    def truncate(self, number: int) -> None:
        """Deletes every block after ``number``. All must be written; see ``write_out``."""
        del self._ends[number + 1 :]
        self._cut(self._ends[number])

    def write_out(self) -> None:
        """Writes what the disk had no room for before. Raises OSError, with the file's name, while it still has none."""
        while self._unwritten:
            try:
                written = os.pwrite(self._file.fileno(), self._unwritten, self._ends[-1] - len(self._unwritten))
            except OSError as error:
                error.filename = str(self.path)
                raise
            self._unwritten = self._unwritten[written:]

    def close(self) -> None:
        """What the disk has no room for is lost: nobody was told of it."""
        with suppress(OSError):
            self.write_out()
        self._file.close()

    def _append(self, record: dict[str, Any]) -> None:
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        self._ends.append(len(line) + (self._ends[-1] if self._ends else 0))
        self._unwritten += line
        self.write_out()

    def _cut(self, size: int) -> None:
        self._file.seek(size)
        self._file.truncate()

    def _block(self, line: bytes, number: int) -> BlockRecord:
        record = self._parse(line, number + 1)
        if record.get("number") != number:
            raise StateRefusedError(f"{self.path}:{number + 1}: expected block {number}")
        try:
            transactions = tuple(map(bytes.fromhex, record["transactions"]))
            return BlockRecord(number, record["timestamp"], transactions, record.get("results"))
        except (KeyError, TypeError, ValueError):
            raise self._damaged(number + 1, "not a block") from None

    def _parse(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            record = parse_json(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise self._damaged(number, "not a record")
        return record

    def _damaged(self, line: int, what: str) -> StateRefusedError:
        return StateRefusedError(f"{self.path}:{line}: damaged, {what}", hint="Choose another --data.")
