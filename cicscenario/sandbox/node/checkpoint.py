"""The chain's state at one block, in a file beside the journal: a start goes on from there instead of executing all blocks.

It is no part of the chain: without the file, or when it does not fit, all blocks are executed again. It fits when it is whole
and the journal begins with exactly the bytes that it began with when the file was written, which two digests tell.

The file: a first line; SHA-256 of the rest; a line of JSON (the journal's length and digest, and how many blocks and accounts
follow); then, in this order and big-endian:

- for each block after the first: the end of its line in the journal (8 bytes), its number of transactions (4), its hash (32);
- for each transaction its hash (32);
- for each account: address (20), balance (32), nonce (8), length of its code (4), and the code;
- for each slot, to the end: address (20), slot (32), value (32).
"""

import hashlib
import json
import struct
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from pyrevm import AccountInfo

from cicscenario.errors import StateRefusedError
from cicscenario.files import replacing
from cicscenario.inputs import open_input
from cicscenario.jsontext import parse_json
from cicscenario.sandbox.digesting import Digesting
from cicscenario.sandbox.node.codec import to_hex
from cicscenario.sandbox.node.errors import JsonRpcError
from cicscenario.sandbox.node.evm import NO_CODE, Evm
from cicscenario.sandbox.node.history import BlockHistory
from cicscenario.sandbox.node.journal import Journal

FILE_NAME = "chain.checkpoint"
_FIRST_LINE = b"cicscenario: state of a chain, 1\n"
_BLOCK = struct.Struct(">QI32s")
_HASH = 32  # bytes
_ACCOUNT = struct.Struct(">20s32sQI")
_SLOT = struct.Struct(">52s32s")
_MOST_HEAD = 1_000  # bytes of the line of JSON
_PIECE = 1 << 20  # bytes that are read at once
_AT_ONCE = 10_000  # entries that are read at once


class Checkpoint:
    """The file beside ``journal``. ``height`` is the number of the block that it was last written or taken up at."""

    def __init__(self, journal: Journal) -> None:
        self.height = 0
        self._journal = journal
        self._path = journal.path.with_name(FILE_NAME)

    def write(self, history: BlockHistory, evm: Evm) -> None:
        """Writes the state at the newest block, which the journal has. Raises OSError; the file is what it was then."""
        ends = self._journal.ends
        with replacing(self._path) as file:
            file.write(_FIRST_LINE)
            place = file.tell()
            body = Digesting(file)
            file.write(bytes(body.digest.digest_size))
            accounts = list(evm.accounts())
            head = {
                "journal": ends[-1],
                "digest": self._journal.digest(ends[-1]),
                "blocks": len(ends) - 1,
                "accounts": len(accounts),
            }
            body.write(json.dumps(head).encode() + b"\n")
            for entry in _entries(history, ends, accounts, evm):
                body.write(entry)
            file.seek(place)
            file.write(body.digest.digest())
        self.height = history.head.number

    def take_up(self, history: BlockHistory, evm: Evm) -> bool:
        """Puts the state into ``evm`` and the blocks into ``history``, both new; False when there is none that fits.

        Raises StateRefusedError for a file that nobody can have written by accident.
        """
        try:
            with open_input(self._path, follow=False) as file:
                if (head := self._head(file)) is None:
                    return False
                self._load(file, head, history, evm)
        except FileNotFoundError:
            return False
        except (JsonRpcError, KeyError, TypeError, ValueError, OverflowError, struct.error) as error:
            raise StateRefusedError(
                f"{self._path} does not fit the chain beside it: {error!r}",
                hint="Delete this file; the chain needs it not.",
            ) from None
        self.height = history.head.number
        return True

    def _head(self, file: BinaryIO) -> dict[str, Any] | None:
        """The line of JSON; None when the file is not whole, or belongs to another journal."""
        if file.read(len(_FIRST_LINE)) != _FIRST_LINE:
            return None
        digest = file.read(hashlib.sha256().digest_size)
        place = file.tell()
        found = hashlib.sha256()
        while piece := file.read(_PIECE):
            found.update(piece)
        if found.digest() != digest:
            return None
        file.seek(place)
        head: dict[str, Any] = parse_json(file.readline(_MOST_HEAD))
        return head if self._journal.digest(head["journal"]) == head["digest"] else None

    def _load(self, file: BinaryIO, head: Mapping[str, Any], history: BlockHistory, evm: Evm) -> None:
        blocks = list(_BLOCK.iter_unpack(file.read(head["blocks"] * _BLOCK.size)))
        ends = self._journal.ends[:1]
        ends.extend(end for end, _, _ in blocks)
        self._journal.go_on_behind(ends)
        history.restore((block_hash, _hashes(file, count)) for _, count, block_hash in blocks)
        for _ in range(head["accounts"]):
            address, balance, nonce, size = _ACCOUNT.unpack(file.read(_ACCOUNT.size))
            evm.load_account(to_hex(address), int.from_bytes(balance), nonce, file.read(size))
        while entries := file.read(_AT_ONCE * _SLOT.size):
            for key, value in _SLOT.iter_unpack(entries):
                evm.load_slot(key, int.from_bytes(value))


def _entries(
    history: BlockHistory, ends: "array[int]", accounts: list[tuple[str, AccountInfo]], evm: Evm
) -> Iterator[bytes]:
    counts = Counter(number for _, number in history.places())
    for number in range(1, len(ends)):
        yield _BLOCK.pack(ends[number], counts[number], history.hash_at(number))
    yield from (tx_hash for tx_hash, _ in history.places())
    for address, info in accounts:
        code = evm.code(address) if info.code_hash != NO_CODE else b""
        yield _ACCOUNT.pack(bytes.fromhex(address[2:]), info.balance.to_bytes(32), info.nonce, len(code)) + code
    for key, value in evm.slots():
        yield _SLOT.pack(key, value.to_bytes(32))


def _hashes(file: BinaryIO, count: int) -> list[bytes]:
    data = file.read(count * _HASH)
    if len(data) != count * _HASH:
        raise ValueError("it ends too early")
    return [data[place : place + _HASH] for place in range(0, len(data), _HASH)]
