"""Blocks, receipts, logs and the pool of a chain with one miner."""

import heapq
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import rlp
from eth_hash.auto import keccak

from cicscenario.sandbox.node.journal import Journal, Record
from cicscenario.sandbox.node.machine import COINBASE, BlockContext, Execution, Log, Machine, Undo
from cicscenario.sandbox.node.transaction import BadTransactionError, Transaction, decode

_POOL = 100_000  # transactions; a client that sends more is told so
_EMPTY_UNCLES = keccak(rlp.encode([]))


class RefusedError(ValueError):
    """The pool does not take a transaction; the message is what nodes say."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a transaction ended; ``first_log`` is the index of its first log in the block."""

    execution: Execution
    cumulative_gas: int
    first_log: int


@dataclass(frozen=True, slots=True)
class Block:
    """A mined block. The header is a real one but for the state and receipt roots, which are zero: nobody here proves
    anything against them.
    """

    number: int
    hash: bytes
    parent: bytes
    timestamp: int
    bloom: bytes
    gas_used: int
    transactions: tuple[Transaction, ...]
    receipts: tuple[Receipt, ...]


def bloom(logs: Iterable[Log]) -> bytes:
    """The 2048-bit filter of addresses and topics (yellow paper, section 4.3.1)."""
    bits = 0
    for log in logs:
        for entry in (log.address, *log.topics):
            digest = keccak(entry)
            for start in (0, 2, 4):
                bits |= 1 << (int.from_bytes(digest[start : start + 2], "big") & 2047)
    return bits.to_bytes(256, "big")


@dataclass
class _Account:
    """A sender's part of the pool, by nonce."""

    waiting: dict[int, tuple[int, Transaction]] = field(default_factory=dict)


class Chain:
    """The whole of a node but its protocol. Everything happens in one thread."""

    def __init__(
        self, journal: Journal, chain_id: int, gas_limit: int, genesis_time: int, rich: dict[bytes, int]
    ) -> None:
        """``genesis_time`` in Unix nanoseconds, which no two chains share; ``rich`` in wei by address."""
        self.chain_id = chain_id
        self.gas_limit = gas_limit
        self.extra = b"cicscenario" + genesis_time.to_bytes(8, "big")
        self.machine = Machine(chain_id)
        self.blocks: list[Block] = []
        self.places: dict[bytes, tuple[int, int]] = {}  #: block number and index of a mined transaction, by hash
        self.pool: dict[bytes, Transaction] = {}
        self.time_offset = 0
        self.next_timestamp: int | None = None
        self._accounts: dict[bytes, _Account] = {}
        self._arrivals = 0
        self._snapshots: list[tuple[int, int]] = []
        self._journal = journal
        for address, amount in rich.items():
            self.machine.credit(address, amount)
        self._append(genesis_time // 10**9, (), ())
        for record in journal.records():
            self._mine([decode(raw, chain_id) for raw in record.transactions], record.timestamp)

    @property
    def newest(self) -> Block:
        return self.blocks[-1]

    def context(self) -> BlockContext:
        """The block that the next transaction would run in."""
        return BlockContext(self.newest.number + 1, self._timestamp(), self.gas_limit)

    def _timestamp(self) -> int:
        wanted = self.next_timestamp if self.next_timestamp is not None else int(time.time()) + self.time_offset
        return max(self.newest.timestamp, wanted)

    # --- pool ---------------------------------------------------------------------------------------------------

    def submit(self, raw: bytes) -> bytes:
        """Takes a transaction and returns its hash; raises RefusedError with what nodes say."""
        try:
            transaction = decode(raw, self.chain_id)
        except BadTransactionError as error:
            raise RefusedError(str(error)) from None
        if transaction.hash in self.pool or transaction.hash in self.places:
            raise RefusedError("already known")
        self._admit(transaction)
        self.pool[transaction.hash] = transaction
        self._arrivals += 1
        waiting = self._accounts.setdefault(transaction.sender, _Account()).waiting
        waiting[transaction.nonce] = (self._arrivals, transaction)
        return transaction.hash

    def _admit(self, transaction: Transaction) -> None:
        nonce, balance = self.machine.account(transaction.sender)
        if transaction.nonce < nonce:
            raise RefusedError(f"nonce too low: next nonce {nonce}, tx nonce {transaction.nonce}")
        if transaction.gas > self.gas_limit:
            raise RefusedError("exceeds block gas limit")
        if transaction.gas < intrinsic_gas(transaction):
            raise RefusedError(f"intrinsic gas too low: have {transaction.gas}, want {intrinsic_gas(transaction)}")
        if transaction.gas * transaction.gas_price + transaction.value > balance:
            raise RefusedError("insufficient funds for gas * price + value")
        if transaction.nonce in self._waiting(transaction.sender):
            raise RefusedError("replacement transaction underpriced")
        if len(self.pool) >= _POOL:
            raise RefusedError("txpool is full")

    def _waiting(self, sender: bytes) -> dict[int, tuple[int, Transaction]]:
        account = self._accounts.get(sender)
        return account.waiting if account else {}

    def next_nonce(self, sender: bytes) -> int:
        """The nonce after everything in the pool that could be mined."""
        nonce, _ = self.machine.account(sender)
        waiting = self._waiting(sender)
        while nonce in waiting:
            nonce += 1
        return nonce

    def _ready(self) -> Iterator[Transaction]:
        """Transactions that can be mined now, in order of arrival and by nonce within a sender."""
        heads: list[tuple[int, bytes, int]] = []

        def push(sender: bytes, nonce: int) -> None:
            if nonce in self._waiting(sender):
                heapq.heappush(heads, (self._waiting(sender)[nonce][0], sender, nonce))

        for sender in self._accounts:
            push(sender, self.machine.account(sender)[0])
        while heads:
            _, sender, nonce = heapq.heappop(heads)
            yield self._waiting(sender)[nonce][1]
            push(sender, nonce + 1)

    def has_ready(self) -> bool:
        return next(self._ready(), None) is not None

    # --- mining -------------------------------------------------------------------------------------------------

    def mine(self) -> Block:
        """Mines what is ready and fits, and writes it down before it can be seen."""
        chosen: list[Transaction] = []
        budget = self.gas_limit
        for transaction in self._ready():
            if transaction.gas > budget:
                break
            budget -= transaction.gas
            chosen.append(transaction)
        timestamp = self._timestamp()
        self.next_timestamp = None
        block = self._mine(chosen, timestamp)
        self._journal.append(Record(timestamp, tuple(t.raw for t in block.transactions)))
        return block

    def _mine(self, chosen: Iterable[Transaction], timestamp: int) -> Block:
        context = BlockContext(self.newest.number + 1, timestamp, self.gas_limit)
        done: list[Transaction] = []
        receipts: list[Receipt] = []
        gas = logs = 0
        for transaction in chosen:
            self._drop(transaction)
            if (
                transaction.gas * transaction.gas_price + transaction.value
                > self.machine.account(transaction.sender)[1]
            ):
                continue  # an earlier one spent what this one was to pay with
            execution = self.machine.execute(transaction, context)
            gas += execution.gas_used
            done.append(transaction)
            receipts.append(Receipt(execution, gas, logs))
            logs += len(execution.logs)
        return self._append(timestamp, tuple(done), tuple(receipts))

    def _drop(self, transaction: Transaction) -> None:
        self.pool.pop(transaction.hash, None)
        waiting = self._waiting(transaction.sender)
        waiting.pop(transaction.nonce, None)
        if not waiting:
            self._accounts.pop(transaction.sender, None)

    def _append(self, timestamp: int, transactions: tuple[Transaction, ...], receipts: tuple[Receipt, ...]) -> Block:
        parent = self.blocks[-1].hash if self.blocks else bytes(32)
        gas_used = receipts[-1].cumulative_gas if receipts else 0
        filtered = bloom(log for receipt in receipts for log in receipt.execution.logs)
        root = keccak(b"".join(t.hash for t in transactions))
        header = [
            parent, _EMPTY_UNCLES, COINBASE, bytes(32), root, bytes(32), filtered, 0, len(self.blocks), self.gas_limit,
            gas_used, timestamp, self.extra, bytes(32), bytes(8), 0,
        ]  # fmt: skip
        digest = keccak(rlp.encode(header))
        block = Block(len(self.blocks), digest, parent, timestamp, filtered, gas_used, transactions, receipts)
        self.blocks.append(block)
        self.places.update((t.hash, (block.number, index)) for index, t in enumerate(transactions))
        return block

    # --- snapshots ----------------------------------------------------------------------------------------------

    def snapshot(self) -> int:
        """Marks the present; returns the mark's number, from 1."""
        if self.machine.undo is None:
            self.machine.undo = []
        self._snapshots.append((len(self.blocks), len(self.machine.undo)))
        return len(self._snapshots)

    def revert(self, mark: int) -> bool:
        """Goes back to a mark, which is used up with all later ones; False when there is no such mark."""
        if not 0 < mark <= len(self._snapshots):
            return False
        blocks, undo = self._snapshots[mark - 1]
        del self._snapshots[mark - 1 :]
        steps: list[Undo] = self.machine.undo or []
        self.machine.undo = None  # taking back is not to be taken back
        for step in reversed(steps[undo:]):
            step()
        for block in self.blocks[blocks:]:
            for transaction in block.transactions:
                del self.places[transaction.hash]
        del self.blocks[blocks:], steps[undo:]
        self.machine.undo = steps if self._snapshots else None
        self.pool.clear()
        self._accounts.clear()
        self._journal.truncate(blocks - 1)
        return True


def intrinsic_gas(transaction: Transaction) -> int:
    """What a transaction costs before any code runs (yellow paper, appendix G; EIP-2028, 2930, 3860)."""
    zeros = transaction.data.count(0)
    gas = 21_000 + 4 * zeros + 16 * (len(transaction.data) - zeros)
    gas += sum(2400 + 1900 * len(keys) for _, keys in transaction.access_list)
    if not transaction.to:
        gas += 32_000 + 2 * ((len(transaction.data) + 31) // 32)
    return gas
