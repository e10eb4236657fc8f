"""The chain: takes transactions, mines blocks, remembers them, goes back to snapshots; one journal keeps it on disk."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

from cicscenario.errors import StateRefusedError
from cicscenario.sandbox.node.block import Block, Receipt, genesis_block, make_block
from cicscenario.sandbox.node.errors import SERVER_ERROR, JsonRpcError
from cicscenario.sandbox.node.evm import Evm, ExecutionResult, Message, RejectedError
from cicscenario.sandbox.node.journal import BlockRecord, Genesis, Journal
from cicscenario.sandbox.node.pool import Pool
from cicscenario.sandbox.node.transaction import Transaction, decode, floor_gas


@dataclass(frozen=True, slots=True)
class _Snapshot:
    height: int
    mark: int


class Chain:
    """Blocks and their receipts are kept in memory, state only as of the newest block; base fee is 0.

    Made by ``open_chain``; the blocks of the journal are mined again first.
    """

    def __init__(self, journal: Journal, genesis: Genesis) -> None:
        self._journal = journal
        self.genesis = genesis
        self.evm = Evm(genesis.chain_id, genesis.gas_limit)
        self.pool = Pool()
        self.blocks: list[Block] = [genesis_block(genesis.time, genesis.gas_limit, genesis.rich)]
        self._numbers: dict[bytes, int] = {self.blocks[0].hash: 0}
        self._places: dict[bytes, tuple[int, int]] = {}  # transaction hash: block and index
        self._snapshots: dict[int, _Snapshot] = {}
        self._snapshots_taken = 0
        self._next_timestamp: int | None = None
        for address, wei in genesis.rich.items():
            self.evm.fund(address, wei)
        self.evm.set_block(0, genesis.time)
        for record in self._journal.read_blocks():
            self._replay(record)
        self._offset = max(0, self.head.timestamp - int(time.time()))  # seconds the chain's clock is ahead

    @property
    def head(self) -> Block:
        return self.blocks[-1]

    def block_by_hash(self, block_hash: bytes) -> Block | None:
        number = self._numbers.get(block_hash)
        return None if number is None else self.blocks[number]

    def find(self, tx_hash: bytes) -> tuple[Block, int] | None:
        """The block of a mined transaction and its index in it."""
        place = self._places.get(tx_hash)
        return None if place is None else (self.blocks[place[0]], place[1])

    def submit(self, raw: bytes) -> bytes:
        """Check a signed transaction, put it into the pool, return its hash. Raises RpcError when it is refused."""
        tx = decode(raw)
        if tx.hash in self._places:
            # As geth and anvil: a mined transaction's nonce is used up.
            raise JsonRpcError(SERVER_ERROR, "nonce too low: the transaction is already mined")
        mined = self.evm.nonce(tx.sender)
        if reason := self._refusal(tx, mined):
            raise JsonRpcError(SERVER_ERROR, reason)
        self.pool.add(tx, mined)
        return tx.hash

    def mine_ready(self) -> None:
        """Mine until no transaction of the pool is ready: as many blocks as the gas limit asks for."""
        while self.pool.ready:
            self.mine()

    def mine(self) -> Block:
        """Mine one block of what is ready, as much as the gas limit lets in; an empty one when nothing is."""
        timestamp = self._timestamp()
        self.evm.set_block(self.head.number + 1, timestamp)
        receipts: list[Receipt] = []
        for tx in self.pool.drain():
            used = receipts[-1].cumulative_gas if receipts else 0
            if used + tx.gas > self.genesis.gas_limit:
                break
            try:
                receipts.append(self._execute(tx, receipts))
            except RejectedError:  # an earlier transaction spent the balance
                self.pool.drop(tx)
            else:
                self.pool.remove(tx)
        block = self._append(timestamp, tuple(receipts))
        self._journal.append_block(BlockRecord(block.number, timestamp, tuple(r.tx.raw for r in receipts)))
        return block

    def snapshot(self) -> int:
        """Remember this block. While a snapshot is open, memory grows with every value overwritten."""
        self._snapshots_taken += 1
        self._snapshots[self._snapshots_taken] = _Snapshot(self.head.number, self.evm.mark())
        return self._snapshots_taken

    def revert(self, snapshot: int) -> bool:
        """Back to a snapshot, which is used up with all later ones; the pool is emptied. False if there is none such."""
        if snapshot not in self._snapshots:
            return False
        target = self._snapshots[snapshot]
        self._snapshots = {number: kept for number, kept in self._snapshots.items() if number < snapshot}
        self.evm.rewind(target.mark)
        if not self._snapshots:
            self.evm.forget_marks()
        for block in self.blocks[target.height + 1 :]:
            del self._numbers[block.hash]
            for receipt in block.receipts:
                del self._places[receipt.tx.hash]
        del self.blocks[target.height + 1 :]
        self._journal.truncate(target.height)
        self.pool.clear()
        self.evm.set_block(self.head.number, self.head.timestamp)
        return True

    def increase_time(self, seconds: int) -> int:
        """Put the clock of future blocks ahead; returns by how much it is ahead in all."""
        self._offset += seconds
        return self._offset

    def set_next_timestamp(self, timestamp: int) -> None:
        """The next block's time; later blocks go on from it. Raises RpcError when it is before the newest block's."""
        if timestamp < self.head.timestamp:
            raise JsonRpcError.invalid_params(
                f"Timestamp error: {timestamp} is lower than previous block's timestamp {self.head.timestamp}"
            )
        self._next_timestamp = timestamp
        self._offset = timestamp - int(time.time())

    def close(self) -> None:
        self._journal.close()

    def _timestamp(self) -> int:
        chosen, self._next_timestamp = self._next_timestamp, None
        return chosen if chosen is not None else max(self.head.timestamp, int(time.time()) + self._offset)

    def _refusal(self, tx: Transaction, mined: int) -> str | None:
        """Why a transaction cannot be taken, in geth's words."""
        required = max(tx.intrinsic_gas, floor_gas(tx.data))
        rules: Iterable[tuple[bool, str]] = (
            (tx.chain_id not in {None, self.genesis.chain_id}, f"invalid chain id: this is {self.genesis.chain_id}"),
            (tx.max_priority_fee > tx.max_fee, "max priority fee per gas higher than max fee per gas"),
            (tx.gas > self.genesis.gas_limit, f"exceeds block gas limit of {self.genesis.gas_limit}"),
            (tx.gas < required, f"intrinsic gas too low: {tx.gas} given, {required} needed"),
            (tx.to is None and len(tx.data) > 49_152, "max initcode size exceeded"),
            (tx.nonce < mined, f"nonce too low: next nonce {mined}, tx nonce {tx.nonce}"),
        )
        reason = next((reason for broken, reason in rules if broken), None)
        if reason is None and tx.cost > (balance := self.evm.balance(tx.sender)):
            return f"insufficient funds for gas * price + value: {tx.sender} has {balance} wei, {tx.cost} needed"
        return reason

    def _execute(self, tx: Transaction, before: list[Receipt]) -> Receipt:
        if tx.cost > self.evm.balance(tx.sender):
            raise RejectedError("insufficient funds")
        outcome = self.evm.execute(Message(tx.sender, tx.to, tx.data, tx.value, tx.gas, tx.price, tx.access_list))
        return _receipt(tx, outcome, before[-1] if before else None)

    def _append(self, timestamp: int, receipts: tuple[Receipt, ...]) -> Block:
        block = make_block(self.head.number + 1, self.head.hash, timestamp, self.genesis.gas_limit, receipts)
        self.blocks.append(block)
        self._numbers[block.hash] = block.number
        for index, receipt in enumerate(receipts):
            self._places[receipt.tx.hash] = (block.number, index)
        return block

    def _replay(self, record: BlockRecord) -> None:
        self.evm.set_block(record.number, record.timestamp)
        receipts: list[Receipt] = []
        for raw in record.transactions:
            receipts.append(self._execute(decode(raw), receipts))
        self._append(record.timestamp, tuple(receipts))


def _receipt(tx: Transaction, outcome: ExecutionResult, before: Receipt | None) -> Receipt:
    return Receipt(
        tx=tx,
        success=outcome.success,
        gas_used=outcome.gas_used,
        cumulative_gas=outcome.gas_used + (before.cumulative_gas if before else 0),
        logs=outcome.logs,
        log_index=before.log_index + len(before.logs) if before else 0,
        created=outcome.created,
    )


def open_chain(directory: Path, asked: Genesis, *, any_time: bool = False) -> Chain:
    """The chain kept in ``directory``, or a new one; ``any_time`` takes a kept chain whatever its genesis time.

    Raises StateRefusedError when the directory holds another chain or is in use.
    """
    journal = Journal(directory)
    kept = journal.read_genesis()
    if kept is None:
        journal.write_genesis(asked)
        return Chain(journal, asked)
    wanted = replace(asked, time=kept.time) if any_time else asked
    if kept != wanted:
        journal.close()
        raise StateRefusedError(
            f"{journal.path} holds another chain: {_difference(kept, wanted)}",
            hint="Start with the values it was made with, or choose another --data.",
        )
    return Chain(journal, kept)


def _difference(kept: Genesis, asked: Genesis) -> str:
    pairs = ((field.name, getattr(kept, field.name), getattr(asked, field.name)) for field in fields(Genesis))
    return "; ".join(f"{name} is {old}, not {new}" for name, old, new in pairs if old != new)
