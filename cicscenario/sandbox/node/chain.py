"""The chain: accepts transactions, mines blocks, keeps them in a journal, and reverts to snapshots."""

import sys
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path

from cicscenario.errors import StateRefusedError
from cicscenario.sandbox.node.block import Block, Receipt, genesis_block, make_block, receipt_after
from cicscenario.sandbox.node.checkpoint import Checkpoint
from cicscenario.sandbox.node.errors import INTERNAL_ERROR, SERVER_ERROR, JsonRpcError
from cicscenario.sandbox.node.evm import Evm, Message, RejectedError
from cicscenario.sandbox.node.history import BlockHistory
from cicscenario.sandbox.node.journal import BlockRecord, Genesis, Journal
from cicscenario.sandbox.node.pool import Pool
from cicscenario.sandbox.node.results import results_of, sender_of
from cicscenario.sandbox.node.transaction import Transaction, decode, floor_gas

_BETWEEN_CHECKPOINTS = 50_000  # transactions at least


@dataclass(frozen=True, slots=True)
class _Snapshot:
    height: int  # number of the newest block
    mark: int  # of the EVM's undo log


class Chain:
    """State is kept for the newest block only. The base fee is 0.

    Use ``open_chain`` to make one. The constructor takes up the checkpoint, if there is one of this journal, and executes the
    blocks after it again.
    """

    def __init__(self, journal: Journal, genesis: Genesis) -> None:
        self._journal = journal
        self._checkpoint = Checkpoint(journal)
        self.genesis = genesis
        self.evm = Evm(genesis.chain_id, genesis.gas_limit)
        self.pool = Pool()
        self.history = BlockHistory(journal, genesis_block(genesis.time, genesis.gas_limit, genesis.rich))
        self._snapshots: dict[int, _Snapshot] = {}
        self._snapshots_taken = 0
        self._next_timestamp: int | None = None
        if not self._checkpoint.take_up(self.history, self.evm):
            for address, wei in genesis.rich.items():
                self.evm.fund(address, wei)
        self._saved = self.history.transactions  # in the last checkpoint
        self.evm.set_block(self.head.number, self.head.timestamp)
        for record in self._journal.read_blocks():
            self._replay(record)
        self._offset = max(0, self.head.timestamp - int(time.time()))  # seconds by which the chain's clock is ahead

    @property
    def head(self) -> Block:
        return self.history.head

    def submit(self, tx: Transaction) -> bytes:
        """Checks a transaction, adds it to the pool, and gives its hash. Raises JsonRpcError when it is refused."""
        if self.history.has(tx.hash):
            # Geth and anvil also answer that the nonce is too low.
            raise JsonRpcError(SERVER_ERROR, "nonce too low: the transaction is already mined")
        sender = self.evm.account(tx.sender)
        if reason := self._refusal(tx, sender.nonce, sender.balance):
            raise JsonRpcError(SERVER_ERROR, reason)
        self.pool.add(tx, sender.nonce)
        return tx.hash

    def mine_ready(self) -> None:
        """Mines all ready transactions of the pool, in as many blocks as the gas limit requires.

        Raises OSError when a block cannot be written; see ``write_out``.
        """
        self._journal.write_out()
        while self.pool.ready:
            self.mine()
        # Each is at least twice as large as the last, so that all together cost no more than two of the last.
        if self.history.transactions - self._saved >= max(_BETWEEN_CHECKPOINTS, self._saved):
            self.save()

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
        block = self._block(timestamp, receipts)
        self.history.append(block)
        raw = tuple(receipt.tx.raw for receipt in receipts)
        self._journal.append_block(BlockRecord(block.number, timestamp, raw, results_of(receipts)))
        return block

    def write_out(self) -> None:
        """Writes the blocks that could not be written before. Raises JsonRpcError when it cannot be done now.

        Until then nobody may be told of the chain: a killed node would not know what its clients have seen. Clients take the
        error for one that passes.
        """
        try:
            self._journal.write_out()
        except OSError as error:
            raise JsonRpcError(INTERNAL_ERROR, f"{error.filename} cannot be written: {error.strerror}") from None

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
        self.history.truncate(target.height)
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

    def save(self) -> None:
        """Writes a checkpoint of the newest block. What goes wrong is told in the log only: the journal has everything."""
        if not self.history.is_on_disk:  # a journal of an earlier version
            return
        try:
            self._journal.write_out()  # else the checkpoint would be one of another journal
            self._checkpoint.write(self.history, self.evm)
        except OSError as error:
            print(f"the checkpoint cannot be written: {error}", file=sys.stderr)
        self._saved = self.history.transactions

    def close(self) -> None:
        """Writes a checkpoint, unless nothing was mined since the last, and closes the journal."""
        if self.head.number > self._checkpoint.height:
            self.save()
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
        return receipt_after(
            before[-1] if before else None,
            tx,
            success=result.success,
            gas_used=result.gas_used,
            logs=result.logs,
            created=result.created,
        )

    def _block(self, timestamp: int, receipts: list[Receipt]) -> Block:
        """The block after the newest."""
        return make_block(self.head.number + 1, self.head.hash, timestamp, self.genesis.gas_limit, tuple(receipts))

    def _replay(self, record: BlockRecord) -> None:
        self.evm.set_block(record.number, record.timestamp)
        receipts: list[Receipt] = []
        for index, raw in enumerate(record.transactions):
            receipts.append(self._execute(decode(raw, sender_of(record, index)), receipts))
        is_whole = record.results == results_of(receipts)  # not so in lines of earlier versions
        self.history.append(self._block(record.timestamp, receipts), keep=not is_whole)


def open_chain(directory: Path, asked: Genesis, *, any_time: bool = False) -> Chain:
    """The chain in ``directory``, or a new one. With ``any_time``, the genesis time of an existing chain is not compared.

    Raises StateRefusedError when the directory has another chain, or when another node uses it.
    """
    journal = Journal(directory)
    try:
        stored = journal.read_genesis()
        if stored is None:
            journal.write_genesis(asked)
            return Chain(journal, asked)
        _refuse_another(journal.path, stored, replace(asked, time=stored.time) if any_time else asked)
        return Chain(journal, stored)
    except BaseException:
        journal.close()
        raise


def _refuse_another(path: Path, stored: Genesis, asked: Genesis) -> None:
    """Raises StateRefusedError with the differences, if there are any."""
    pairs = ((field.name, getattr(stored, field.name), getattr(asked, field.name)) for field in fields(Genesis))
    if difference := "; ".join(f"{name} is {old}, not {new}" for name, old, new in pairs if old != new):
        raise StateRefusedError(
            f"{path} holds another chain: {difference}",
            hint="Start with the values it was made with, or choose another --data.",
        )
