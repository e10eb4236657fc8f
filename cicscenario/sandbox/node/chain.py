"""The chain: accepts transactions, mines blocks, keeps them in memory and in a journal, and reverts to snapshots."""

import time
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
    height: int  # number of the newest block
    mark: int  # of the EVM's undo log


class Chain:
    """All blocks and receipts are in memory; state is kept for the newest block only. The base fee is 0.

    Use ``open_chain`` to make one. The constructor executes the blocks of the journal again.
    """

    def __init__(self, journal: Journal, genesis: Genesis) -> None:
        self._journal = journal
        self.genesis = genesis
        self.evm = Evm(genesis.chain_id, genesis.gas_limit)
        self.pool = Pool()
        self.blocks: list[Block] = [genesis_block(genesis.time, genesis.gas_limit, genesis.rich)]
        self._numbers: dict[bytes, int] = {self.blocks[0].hash: 0}
        self._positions: dict[bytes, tuple[int, int]] = {}  # transaction hash: block number and index
        self._snapshots: dict[int, _Snapshot] = {}
        self._snapshots_taken = 0
        self._next_timestamp: int | None = None
        for address, wei in genesis.rich.items():
            self.evm.fund(address, wei)
        self.evm.set_block(0, genesis.time)
        for record in self._journal.read_blocks():
            self._replay(record)
        self._offset = max(0, self.head.timestamp - int(time.time()))  # seconds by which the chain's clock is ahead

    @property
    def head(self) -> Block:
        return self.blocks[-1]

    def block_by_hash(self, block_hash: bytes) -> Block | None:
        number = self._numbers.get(block_hash)
        return None if number is None else self.blocks[number]

    def find(self, tx_hash: bytes) -> tuple[Block, int] | None:
        """The block of a mined transaction and its index in it."""
        position = self._positions.get(tx_hash)
        return None if position is None else (self.blocks[position[0]], position[1])

    def submit(self, raw: bytes) -> bytes:
        """Checks a signed transaction, adds it to the pool, and gives its hash. Raises JsonRpcError when it is refused."""
        tx = decode(raw)
        if tx.hash in self._positions:
            # Geth and anvil also answer that the nonce is too low.
            raise JsonRpcError(SERVER_ERROR, "nonce too low: the transaction is already mined")
        sender = self.evm.account(tx.sender)
        if reason := self._refusal(tx, sender.nonce, sender.balance):
            raise JsonRpcError(SERVER_ERROR, reason)
        self.pool.add(tx, sender.nonce)
        return tx.hash

    def mine_ready(self) -> None:
        """Mines all ready transactions of the pool, in as many blocks as the gas limit requires."""
        while self.pool.ready:
            self.mine()

    def mine(self) -> Block:
        """Mines one block with as many ready transactions as the gas limit allows; it may be empty."""
        timestamp = self._timestamp()
        self.evm.set_block(self.head.number + 1, timestamp)
        receipts: list[Receipt] = []
        for tx in self.pool.drain():
            used = receipts[-1].cumulative_gas if receipts else 0
            if used + tx.gas > self.genesis.gas_limit:
                break
            try:
                receipts.append(self._execute(tx, receipts))
            except RejectedError:  # an earlier transaction has spent the balance
                self.pool.drop(tx)
            else:
                self.pool.remove(tx)
        block = self._append(timestamp, tuple(receipts))
        self._journal.append_block(BlockRecord(block.number, timestamp, tuple(r.tx.raw for r in receipts)))
        return block

    def snapshot(self) -> int:
        """Makes a snapshot of the newest block. While one is open, every overwritten value stays in memory."""
        self._snapshots_taken += 1
        self._snapshots[self._snapshots_taken] = _Snapshot(self.head.number, self.evm.mark())
        return self._snapshots_taken

    def revert(self, snapshot: int) -> bool:
        """Reverts to a snapshot, deletes it and all later ones, and empties the pool. False when it does not exist."""
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
                del self._positions[receipt.tx.hash]
        del self.blocks[target.height + 1 :]
        self._journal.truncate(target.height)
        self.pool.clear()
        self.evm.set_block(self.head.number, self.head.timestamp)
        return True

    def increase_time(self, seconds: int) -> int:
        """Moves the clock of future blocks forward; gives the total by which it is ahead."""
        self._offset += seconds
        return self._offset

    def set_next_timestamp(self, timestamp: int) -> None:
        """Sets the time of the next block; the clock continues from there. Raises JsonRpcError if the head is later."""
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

    def _refusal(self, tx: Transaction, mined: int, balance: int) -> str | None:
        """The reason why a transaction is refused, in geth's wording, or None."""
        if tx.chain_id not in {None, self.genesis.chain_id}:
            return f"invalid chain id: this is {self.genesis.chain_id}"
        if tx.max_priority_fee > tx.max_fee:
            return "max priority fee per gas higher than max fee per gas"
        if tx.gas > self.genesis.gas_limit:
            return f"exceeds block gas limit of {self.genesis.gas_limit}"
        if tx.gas < (required := max(tx.intrinsic_gas, floor_gas(tx.data))):
            return f"intrinsic gas too low: {tx.gas} given, {required} needed"
        if tx.to is None and len(tx.data) > 49_152:
            return "max initcode size exceeded"
        if tx.nonce < mined:
            return f"nonce too low: next nonce {mined}, tx nonce {tx.nonce}"
        if tx.cost > balance:
            return f"insufficient funds for gas * price + value: {tx.sender} has {balance} wei, {tx.cost} needed"
        return None

    def _execute(self, tx: Transaction, before: list[Receipt]) -> Receipt:
        if tx.cost > self.evm.balance(tx.sender):
            raise RejectedError("insufficient funds")
        result = self.evm.execute(Message(tx.sender, tx.to, tx.data, tx.value, tx.gas, tx.price, tx.access_list))
        return _receipt(tx, result, before[-1] if before else None)

    def _append(self, timestamp: int, receipts: tuple[Receipt, ...]) -> Block:
        block = make_block(self.head.number + 1, self.head.hash, timestamp, self.genesis.gas_limit, receipts)
        self.blocks.append(block)
        self._numbers[block.hash] = block.number
        for index, receipt in enumerate(receipts):
            self._positions[receipt.tx.hash] = (block.number, index)
        return block

    def _replay(self, record: BlockRecord) -> None:
        self.evm.set_block(record.number, record.timestamp)
        receipts: list[Receipt] = []
        for raw in record.transactions:
            receipts.append(self._execute(decode(raw), receipts))
        self._append(record.timestamp, tuple(receipts))


def _receipt(tx: Transaction, result: ExecutionResult, before: Receipt | None) -> Receipt:
    return Receipt(
        tx=tx,
        success=result.success,
        gas_used=result.gas_used,
        cumulative_gas=result.gas_used + (before.cumulative_gas if before else 0),
        logs=result.logs,
        log_index=before.log_index + len(before.logs) if before else 0,
        created=result.created,
    )


def open_chain(directory: Path, asked: Genesis, *, any_time: bool = False) -> Chain:
    """The chain in ``directory``, or a new one. With ``any_time``, the genesis time of an existing chain is not compared.

    Raises StateRefusedError when the directory has another chain, or when another node uses it.
    """
    journal = Journal(directory)
    stored = journal.read_genesis()
    if stored is None:
        journal.write_genesis(asked)
        return Chain(journal, asked)
    wanted = replace(asked, time=stored.time) if any_time else asked
    if stored != wanted:
        journal.close()
        raise StateRefusedError(
            f"{journal.path} holds another chain: {_difference(stored, wanted)}",
            hint="Start with the values it was made with, or choose another --data.",
        )
    return Chain(journal, stored)


def _difference(stored: Genesis, asked: Genesis) -> str:
    pairs = ((field.name, getattr(stored, field.name), getattr(asked, field.name)) for field in fields(Genesis))
    return "; ".join(f"{name} is {old}, not {new}" for name, old, new in pairs if old != new)
