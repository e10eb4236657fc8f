"""The blocks of the chain: the newest are in memory, the others are read back from the journal when they are asked for.

In memory for each block is its hash, and for each transaction its hash and place. So memory grows by some 200 bytes with a
transaction, whatever its logs are.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from cicscenario.errors import StateRefusedError
from cicscenario.sandbox.node.block import Block, make_block
from cicscenario.sandbox.node.errors import INTERNAL_ERROR, JsonRpcError
from cicscenario.sandbox.node.journal import Journal
from cicscenario.sandbox.node.results import receipts_of

_IN_MEMORY = 20_000  # transactions of blocks that are kept in memory; some 2 kB each
_PLACE_BITS = 32  # of an index within a block, in a place
_HASH = 32  # bytes


class BlockHistory:
    """All blocks from ``genesis`` on. The journal must have the line of each, or get it soon."""

    def __init__(self, journal: Journal, genesis: Block) -> None:
        self._journal = journal
        self._genesis = genesis
        self.head = genesis
        self._hashes = bytearray(genesis.hash)  # of all blocks, in order
        self._numbers: dict[bytes, int] = {genesis.hash: 0}
        self._places: dict[bytes, int] = {}  # by hash of a transaction, in order: number of its block, and index in it
        self._recent: OrderedDict[int, Block] = OrderedDict()
        self._recent_size = 0
        self._kept: dict[int, Block] = {}

    @property
    def is_on_disk(self) -> bool:
        """Whether every block can be read back from the journal."""
        return not self._kept

    @property
    def transactions(self) -> int:
        return len(self._places)

    def hash_at(self, number: int) -> bytes:
        """The hash of a block that is mined."""
        return bytes(self._hashes[number * _HASH : (number + 1) * _HASH])

    def places(self) -> Iterator[tuple[bytes, int]]:
        """The hash of each transaction and the number of its block, in order."""
        return ((tx_hash, place >> _PLACE_BITS) for tx_hash, place in self._places.items())

    def has(self, tx_hash: bytes) -> bool:
        return tx_hash in self._places

    def at(self, number: int) -> Block | None:
        """The block of a number; None when it is not mined yet. Raises JsonRpcError when it cannot be read back."""
        if number == self.head.number:
            return self.head
        if not 0 < number < self.head.number:
            return self._genesis if number == 0 else None
        if (block := self._kept.get(number) or self._recent.get(number)) is None:
            block = self._read(number)
            self._remember(block)
        elif number in self._recent:
            self._recent.move_to_end(number)
        return block

    def between(self, first: int, last: int) -> Iterator[Block]:
        """The blocks from ``first`` to ``last``, both included, as far as they are mined."""
        for number in range(max(0, first), min(last, self.head.number) + 1):
            if block := self.at(number):
                yield block

    def by_hash(self, block_hash: bytes) -> Block | None:
        number = self._numbers.get(block_hash)
        return None if number is None else self.at(number)

    def find(self, tx_hash: bytes) -> tuple[Block, int] | None:
        """The block of a mined transaction and its index in it."""
        place = self._places.get(tx_hash)
        if place is None or (block := self.at(place >> _PLACE_BITS)) is None:
            return None
        return block, place & (1 << _PLACE_BITS) - 1

    def append(self, block: Block, *, keep: bool = False) -> None:
        """Adds the newest block. ``keep`` is for one that the journal's line does not tell whole: it stays in memory."""
        self.head = block
        self._note(block.number, block.hash, [receipt.tx.hash for receipt in block.receipts])
        if keep:
            self._kept[block.number] = block
        else:
            self._remember(block)

    def restore(self, blocks: Iterable[tuple[bytes, list[bytes]]]) -> None:
        """Adds blocks that are in the journal: the hash of each, and those of its transactions.

        Raises JsonRpcError when the last one is not what the journal has.
        """
        number = self.head.number
        for number, (block_hash, hashes) in enumerate(blocks, self.head.number + 1):
            self._note(number, block_hash, hashes)
        self.head = self._read(number) if number else self._genesis

    def truncate(self, number: int) -> None:
        """Forgets every block after ``number``; the journal must still have their lines."""
        gone = self.head.number
        self.head = self.at(number) or self._genesis
        while self._places:
            tx_hash, place = self._places.popitem()
            if place >> _PLACE_BITS <= number:
                self._places[tx_hash] = place
                break
        for later in range(number + 1, gone + 1):
            del self._numbers[self.hash_at(later)]
            self._kept.pop(later, None)
            if block := self._recent.pop(later, None):
                self._recent_size -= _size(block)
        del self._hashes[(number + 1) * _HASH :]

    def _note(self, number: int, block_hash: bytes, hashes: Iterable[bytes]) -> None:
        self._hashes += block_hash
        self._numbers[block_hash] = number
        for index, tx_hash in enumerate(hashes):
            self._places[tx_hash] = number << _PLACE_BITS | index

    def _remember(self, block: Block) -> None:
        self._recent[block.number] = block
        self._recent_size += _size(block)
        while self._recent_size > _IN_MEMORY and len(self._recent) > 1:
            self._recent_size -= _size(self._recent.popitem(last=False)[1])

    def _read(self, number: int) -> Block:
        try:
            record = self._journal.read_block(number)
            receipts = receipts_of(record)
        except (StateRefusedError, JsonRpcError, ValueError, OSError) as error:
            raise JsonRpcError(INTERNAL_ERROR, f"block {number} cannot be read back: {error}") from None
        block = make_block(number, self.hash_at(number - 1), record.timestamp, self._genesis.gas_limit, receipts)
        if block.hash != self.hash_at(number):
            raise JsonRpcError(INTERNAL_ERROR, f"block {number} cannot be read back: {self._journal.path} was changed")
        return block


def _size(block: Block) -> int:
    return 1 + len(block.receipts)
