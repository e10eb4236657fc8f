"""Exact execution on pyrevm: gas and state as a full node has them, one transaction at a time.

pyrevm keeps one journal that is never finalised: accounts and slots stay warm and "original" storage values stay those of
the first transaction, so gas comes out too low. Here every execution happens between a checkpoint and its revert, which
empties the journal; what was written is read off the journal before, and put into the database below it after. Fees
and the sender's nonce, which pyrevm's ``message_call`` leaves alone, are settled in the same place.

Known differences from a full node: while a transaction runs, the sender's balance still contains the fee, and GASPRICE
reads 0 in a constructor; BLOCKHASH is not that of the blocks mined; the cap on refunds ignores the access list's gas.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyrevm import EVM, AccountInfo, BlockEnv, CfgEnv, Env

from cicscenario.sandbox.node.codec import ZERO_ADDRESS
from cicscenario.sandbox.node.transaction import AccessList, access_list_gas, floor_gas

COINBASE = ZERO_ADDRESS  # as anvil's; every transaction pays its whole fee to it, the base fee being 0

_SLOT = re.compile(r"[\[ ]StorageChange \{ address: (0x[0-9a-f]{40}), key: (\w+), had_value: Some")
_ACCOUNT = re.compile(r"(?:NonceChange|AccountCreated|CodeChange) \{ address: (0x[0-9a-f]{40})")
_MOVED = re.compile(r"BalanceTransfer \{ from: (0x[0-9a-f]{40}), to: (0x[0-9a-f]{40}), balance: (?!0 )")
_DESTROYED = re.compile(r"AccountDestroyed \{ address: (0x[0-9a-f]{40}), target: (0x[0-9a-f]{40})")
_OUTPUT = re.compile(r"output: 0x([0-9a-f]*)")


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be executed; ``to`` None creates a contract. ``price`` is wei per gas."""

    sender: str
    to: str | None
    data: bytes
    value: int
    gas: int
    price: int = 0
    access_list: AccessList = ()


@dataclass(frozen=True, slots=True)
class Log:
    address: str
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """``output`` is the return data, the revert data, or the code of the contract ``created``.

    ``halt`` names what stopped an execution that neither returned nor reverted, such as OutOfGas.
    """

    success: bool
    gas_used: int
    output: bytes
    logs: tuple[Log, ...]
    created: str | None
    halt: str | None


class RejectedError(Exception):
    """The message cannot even be started: its balance does not cover it, or its gas not the intrinsic cost."""


@dataclass(slots=True)
class _Writes:
    accounts: dict[str, AccountInfo]
    slots: dict[tuple[str, int], int]


class Evm:
    """World state: accounts, code and storage of the newest block, and nothing older (but see ``mark``)."""

    def __init__(self, chain_id: int, gas_limit: int) -> None:
        # Cancun and Prague differ, for what this node offers, in the call data floor alone; Outcome adds it.
        # Raw code: analysed code is kept with padding behind it, which would show in eth_getCode.
        env = Env(cfg=CfgEnv(chain_id=chain_id, perf_analyse_created_bytecodes="raw"))
        self._evm = EVM(env, gas_limit=gas_limit, spec_id="CANCUN")
        self._gas_limit = gas_limit
        self._undo: list[_Writes] | None = None

    def set_block(self, number: int, timestamp: int) -> None:
        """The block that executions see from now on."""
        block = BlockEnv(
            number=number, coinbase=COINBASE, timestamp=timestamp, gas_limit=self._gas_limit, prevrandao=bytes(32)
        )
        self._evm.set_block_env(block)

    def fund(self, address: str, wei: int) -> None:
        """Set a balance at genesis."""
        self._evm.insert_account_info(address, _account(wei))

    def balance(self, address: str) -> int:
        with self._isolated():
            wei: int = self._evm.basic(address).balance
            return wei

    def nonce(self, address: str) -> int:
        with self._isolated():
            count: int = self._evm.basic(address).nonce
            return count

    def code(self, address: str) -> bytes:
        with self._isolated():
            return self._evm.get_code(address) or b""

    def storage(self, address: str, slot: int) -> int:
        with self._isolated():
            value: int = self._evm.storage(address, slot)
            return value

    def call(self, message: Message) -> ExecutionResult:
        """Execute and forget. Raises RejectedError."""
        with self._isolated():
            return self._run(message)

    def execute(self, message: Message) -> ExecutionResult:
        """Execute, charge the fee, count the nonce, and keep what was written. Raises RejectedError, having kept nothing."""
        with self._isolated():
            nonce: int = self._evm.basic(message.sender).nonce
            outcome = self._run(message)
            writes = self._written()
            self._settle(message, outcome, nonce, writes)
        if self._undo is not None:
            self._undo.append(self._present(writes))
        self._write(writes)
        return outcome

    def mark(self) -> int:
        """A point to ``rewind`` to. From the first mark on every overwritten value is kept, until ``forget_marks``."""
        if self._undo is None:
            self._undo = []
        return len(self._undo)

    def rewind(self, mark: int) -> None:
        """Back to the state at ``mark``."""
        undo = self._undo or []
        while len(undo) > mark:
            self._write(undo.pop())

    def forget_marks(self) -> None:
        self._undo = None

    @contextmanager
    def _isolated(self) -> Iterator[None]:
        """Everything loaded, warmed or written inside is gone afterwards, failed or not."""
        checkpoint = self._evm.snapshot()
        try:
            yield
        finally:
            self._evm.revert(checkpoint)

    def _run(self, message: Message) -> ExecutionResult:
        # pyrevm never cools what a transaction's own access list warmed, so it is warmed by hand and paid for here.
        listed = access_list_gas(message.access_list)
        for address, slots in message.access_list:
            self._evm.basic(address)
            for slot in slots:
                self._evm.storage(address, slot)
        created, output = None, b""
        try:
            if message.to is None:
                created, output = self._deploy(message, message.gas - listed)
            else:
                output = self._evm.message_call(
                    message.sender, message.to, message.data, message.value, message.gas - listed, message.price
                )
        except (RuntimeError, OverflowError) as error:
            if self._evm.result is None:
                raise RejectedError(str(error)) from None
            reverted = _OUTPUT.search(str(error))
            output = bytes.fromhex(reverted[1]) if reverted else b""
        return self._outcome(message, output, created, listed)

    def _deploy(self, message: Message, gas: int) -> tuple[str, bytes]:
        # Price 0: deploy() would charge the fee by itself, and pay it where no revert can take it back.
        created: str = self._evm.deploy(message.sender, message.data, message.value, gas, 0)
        return created, self._evm.get_code(created) or b""

    def _outcome(self, message: Message, output: bytes, created: str | None, listed: int) -> ExecutionResult:
        result = self._evm.result
        assert result is not None
        return ExecutionResult(
            success=result.is_success,
            gas_used=max(result.gas_used + listed, floor_gas(message.data)),
            output=output,
            logs=tuple(_log(log) for log in result.logs),
            created=created,
            halt=result.reason if result.is_halt else None,
        )

    def _written(self) -> _Writes:
        """What the journal says was changed, with the values it has now; pyrevm shows the journal as text only."""
        text: str = self._evm.journal_str
        journal = text[text.rfind("journal: [") :]
        destroyed = _DESTROYED.findall(journal)
        gone = {address for address, _ in destroyed}
        changed = {*_ACCOUNT.findall(journal), *(a for pair in _MOVED.findall(journal) for a in pair)}
        changed.update(target for _, target in destroyed)
        accounts = {address: self._evm.basic(address) for address in changed - gone}
        accounts.update((address, AccountInfo()) for address in gone)
        slots = {(address, int(key, 0)) for address, key in _SLOT.findall(journal) if address not in gone}
        return _Writes(accounts, {slot: self._evm.storage(*slot) for slot in slots})

    def _settle(self, message: Message, outcome: ExecutionResult, nonce: int, writes: _Writes) -> None:
        fee = outcome.gas_used * message.price
        balance = self._evm.basic(message.sender).balance - fee
        writes.accounts[message.sender] = _account(balance, nonce + 1)
        if fee:
            coinbase = self._evm.basic(COINBASE)
            writes.accounts[COINBASE] = _account(coinbase.balance + fee, coinbase.nonce)

    def _present(self, writes: _Writes) -> _Writes:
        with self._isolated():
            return _Writes(
                {address: self._evm.basic(address) for address in writes.accounts},
                {slot: self._evm.storage(*slot) for slot in writes.slots},
            )

    def _write(self, writes: _Writes) -> None:
        for address, info in writes.accounts.items():
            self._evm.insert_account_info(address, info)
        for (address, slot), value in writes.slots.items():
            with self._isolated():  # inserting loads the account, and only a cold account is written to the database
                self._evm.insert_account_storage(address, slot, value)


def _account(balance: int, nonce: int = 0) -> AccountInfo:
    return AccountInfo(balance=balance, nonce=nonce)  # type: ignore[call-arg]  # as it is; the stub lags behind


def _log(log: object) -> Log:
    topics, data = log.data  # type: ignore[attr-defined]
    return Log(log.address.lower(), tuple(topics), data)  # type: ignore[attr-defined]
