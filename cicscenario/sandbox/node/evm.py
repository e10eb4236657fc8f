"""Executes transactions with pyrevm, one at a time, with the same gas and state as a full node.

pyrevm has one journal and never finalises it: after the first transaction, accounts and slots stay warm and the
"original" storage values stay old, so later transactions would use too little gas. Here every execution runs between a
checkpoint and a revert to it, which empties the journal. The changes are read from the journal before the revert, and
written to pyrevm's database after it. pyrevm's ``message_call`` neither charges the fee nor counts the sender's nonce; both
are added to the same changes.

Known differences from a full node: while a transaction runs, the sender's balance still includes the fee; GASPRICE is 0
in a constructor; BLOCKHASH does not give the hashes of mined blocks; the limit on refunds ignores the access list's gas.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from pyrevm import EVM, AccountInfo, BlockEnv, CfgEnv, Env

from cicscenario.keccak import keccak
from cicscenario.sandbox.node.codec import ZERO_ADDRESS, to_hex
from cicscenario.sandbox.node.transaction import AccessList, access_list_gas, floor_gas

NO_CODE = keccak(b"")  #: the code hash of an account without code (EIP-1052)
_KEY = 52  # bytes of an address and a slot
COINBASE = ZERO_ADDRESS  # anvil's too; it gets the whole fee of every transaction, because the base fee is 0

_OF_ACCOUNTS = ("NonceChange", "AccountCreated", "CodeChange")
_ADDRESS = r"(0x[0-9a-f]{40})"
#: By name of a change in pyrevm's journal: what is read of it.
_CHANGES = {
    "BalanceTransfer": re.compile(rf"BalanceTransfer \{{ from: {_ADDRESS}, to: {_ADDRESS}, balance: (?!0 )"),
    "AccountDestroyed": re.compile(rf"AccountDestroyed \{{ address: {_ADDRESS}, target: {_ADDRESS}"),
} | {name: re.compile(rf"{name} \{{ address: {_ADDRESS}") for name in _OF_ACCOUNTS}
_OLD = ", had_value: Some("  # in a StorageChange that is no mere reading; nowhere else
_MOST_KNOWN = 256  # accounts, some with their code
_OUTPUT = re.compile(r"output: 0x([0-9a-f]*)")


class Message(NamedTuple):
    """A call, or with ``to`` None the creation of a contract. ``price`` is in wei per gas."""

    sender: str
    to: str | None
    data: bytes
    value: int
    gas: int
    price: int = 0
    access_list: AccessList = ()


class Log(NamedTuple):
    address: str
    topics: tuple[bytes, ...]
    data: bytes


class ExecutionResult(NamedTuple):
    """``output`` is the return data, the revert data, or the code of the contract ``created``.

    ``halt`` is set when the execution neither returned nor reverted: the reason, such as OutOfGas.
    """

    success: bool
    gas_used: int
    output: bytes
    logs: tuple[Log, ...]
    created: str | None
    halt: str | None


class RejectedError(Exception):
    """The message cannot be executed: the sender's balance is too low, or the gas is below the intrinsic cost."""


@dataclass(slots=True)
class _Writes:
    accounts: dict[str, AccountInfo]
    slots: dict[tuple[str, int], int]


class _Isolated:
    """A checkpoint that is reverted to at the end of the block.

    A class of its own, since a generator would take as long as what is done in most of these blocks.
    """

    __slots__ = ("_checkpoint", "_evm")

    def __init__(self, evm: EVM) -> None:
        self._evm = evm

    def __enter__(self) -> None:
        self._checkpoint = self._evm.snapshot()

    def __exit__(self, *_: object) -> None:
        self._evm.revert(self._checkpoint)


class Evm:
    """Accounts, code and storage as of the newest block. Older state can be restored from a ``mark`` on."""

    def __init__(self, chain_id: int, gas_limit: int) -> None:
        # In what this node supports, Prague differs from Cancun only in the floor price of call data, which ``_result``
        # adds. "raw": analysed code has padding at its end, which eth_getCode would show.
        env = Env(cfg=CfgEnv(chain_id=chain_id, perf_analyse_created_bytecodes="raw"))
        self._evm = EVM(env, gas_limit=gas_limit, spec_id="CANCUN")
        self._gas_limit = gas_limit
        self._undo: list[_Writes] | None = None
        # The newest values of some accounts: most transactions come from few, and to read them from pyrevm takes longer.
        self._known: dict[str, AccountInfo] = {}
        # All that were ever set from 0 to a value, by which ``slots`` finds them: address and slot, some of them twice.
        self._slots = bytearray()

    def set_block(self, number: int, timestamp: int) -> None:
        """Sets number and time of the block for the following executions."""
        block = BlockEnv(
            number=number, coinbase=COINBASE, timestamp=timestamp, gas_limit=self._gas_limit, prevrandao=bytes(32)
        )
        self._evm.set_block_env(block)

    def fund(self, address: str, wei: int) -> None:
        """Sets a balance at genesis."""
        self._insert(address, _account(wei))

    def account(self, address: str) -> AccountInfo:
        """Balance and nonce, those of one who has neither when there is no such account."""
        if (info := self._known.get(address)) is None:
            info = self._read(address)
            self._know(address, info)
        return info

    def balance(self, address: str) -> int:
        wei: int = self.account(address).balance
        return wei

    def nonce(self, address: str) -> int:
        count: int = self.account(address).nonce
        return count

    def code(self, address: str) -> bytes:
        with self._isolated():
            return self._evm.get_code(address) or b""

    def storage(self, address: str, slot: int) -> int:
        with self._isolated():
            value: int = self._evm.storage(address, slot)
            return value

    def call(self, message: Message) -> ExecutionResult:
        """Executes a message without changing the state. Raises RejectedError."""
        with self._isolated():
            return self._run(message)

    def execute(self, message: Message) -> ExecutionResult:
        """Executes a message, charges the fee, counts the nonce, and changes the state.

        Raises RejectedError; the state is unchanged then.
        """
        nonce: int = self.account(message.sender).nonce
        with self._isolated():
            result = self._run(message)
            writes = self._written(message)
            self._settle(message, result, nonce, writes)
        if self._undo is not None:
            self._undo.append(self._current(writes))
        self._write(writes)
        return result

    def accounts(self) -> Iterator[tuple[str, AccountInfo]]:
        """All accounts that have a balance, a nonce or code; pyrevm knows also those that were only asked for."""
        # Of the coinbase pyrevm keeps the newest balance in its journal, which it is never emptied of.
        for address in {*self._evm.db_accounts, *self._evm.journal_state}:
            info = self._read(address)
            if info.balance or info.nonce or info.code_hash != NO_CODE:
                yield address.lower(), info

    def slots(self) -> Iterator[tuple[bytes, int]]:
        """All slots that are not 0: address (20 bytes) and slot (32 bytes), and the value."""
        keys = {bytes(self._slots[place : place + _KEY]) for place in range(0, len(self._slots), _KEY)}
        self._slots = bytearray().join(sorted(keys))
        del keys
        for place in range(0, len(self._slots), _KEY):
            key = bytes(self._slots[place : place + _KEY])
            if value := self.storage(to_hex(key[:20]), int.from_bytes(key[20:])):
                yield key, value

    def load_account(self, address: str, balance: int, nonce: int, code: bytes) -> None:
        """Puts an account into a new state."""
        info = AccountInfo(balance=balance, nonce=nonce, code=code or None)  # type: ignore[call-arg]
        self._insert(address, info)

    def load_slot(self, key: bytes, value: int) -> None:
        """Puts a slot of an account that is loaded into a new state; ``key`` as in ``slots``."""
        self._slots += key
        with self._isolated():
            self._evm.insert_account_storage(to_hex(key[:20]), int.from_bytes(key[20:]), value)

    def mark(self) -> int:
        """A point to ``rewind`` to. After the first mark, overwritten values are kept until ``forget_marks``."""
        if self._undo is None:
            self._undo = []
        return len(self._undo)

    def rewind(self, mark: int) -> None:
        """Restores the state at ``mark``."""
        undo = self._undo or []
        while len(undo) > mark:
            self._write(undo.pop())

    def forget_marks(self) -> None:
        self._undo = None

    def _isolated(self) -> "_Isolated":
        """Reverts everything that the block loads, warms or writes, also when it raises."""
        return _Isolated(self._evm)

    def _run(self, message: Message) -> ExecutionResult:
        # pyrevm would keep the accounts and slots of an access list warm for ever. So they are loaded here, which the
        # checkpoint reverts, and the access list's gas is added here.
        list_gas = access_list_gas(message.access_list)
        for address, slots in message.access_list:
            self._evm.basic(address)
            for slot in slots:
                self._evm.storage(address, slot)
        created, output = None, b""
        try:
            if message.to is None:
                created, output = self._deploy(message, message.gas - list_gas)
            else:
                output = self._evm.message_call(
                    message.sender, message.to, message.data, message.value, message.gas - list_gas, message.price
                )
        except (RuntimeError, OverflowError) as error:
            if self._evm.result is None:
                raise RejectedError(str(error)) from None
            reverted = _OUTPUT.search(str(error))
            output = bytes.fromhex(reverted[1]) if reverted else b""
        return self._result(message, output, created, list_gas)

    def _deploy(self, message: Message, gas: int) -> tuple[str, bytes]:
        # Price 0: deploy() would charge the fee itself, outside the journal, where a revert has no effect.
        created: str = self._evm.deploy(message.sender, message.data, message.value, gas, 0)
        return created, self._evm.get_code(created) or b""

    def _result(self, message: Message, output: bytes, created: str | None, list_gas: int) -> ExecutionResult:
        result = self._evm.result
        assert result is not None
        return ExecutionResult(
            success=result.is_success,
            gas_used=max(result.gas_used + list_gas, floor_gas(message.data)),
            output=output,
            logs=tuple([_log(log) for log in result.logs]),
            created=created,
            halt=result.reason if result.is_halt else None,
        )

    def _written(self, message: Message) -> _Writes:
        """Accounts and slots that the journal lists as changed, with their current values; pyrevm gives it only as text.

        The text, which is long, is not needed where no code runs: there nothing but the value has moved.
        """
        if message.to and not message.data and (receiver := self._evm.basic(message.to)).code_hash == NO_CODE:
            return _Writes({message.to: receiver} if message.value else {}, {})
        text: str = self._evm.journal_str
        journal = text[text.rfind("journal: [") : text.rfind("], spec: ")]
        destroyed = _changes(journal, "AccountDestroyed")
        gone = {address for address, _ in destroyed}
        changed = {address for change in _OF_ACCOUNTS for address in _changes(journal, change)}
        changed.update(address for pair in _changes(journal, "BalanceTransfer") for address in pair)
        changed.update(target for _, target in destroyed)
        accounts = {address: self._evm.basic(address) for address in changed - gone}
        accounts.update((address, AccountInfo()) for address in gone)
        slots = {}
        for address, slot, old in _slot_changes(journal):
            if address not in gone:
                slots[address, slot] = self._evm.storage(address, slot)
                if old == "0":
                    self._slots += _slot_key(address, slot)
        return _Writes(accounts, slots)

    def _settle(self, message: Message, result: ExecutionResult, nonce: int, writes: _Writes) -> None:
        """Adds the fee and the sender's new nonce to ``writes``."""
        fee = result.gas_used * message.price
        balance = self._evm.basic(message.sender).balance - fee
        writes.accounts[message.sender] = _account(balance, nonce + 1)
        if fee:
            coinbase = writes.accounts.get(COINBASE) or self.account(COINBASE)
            writes.accounts[COINBASE] = _account(coinbase.balance + fee, coinbase.nonce)

    def _current(self, writes: _Writes) -> _Writes:
        """The values that ``writes`` would overwrite."""
        with self._isolated():
            return _Writes(
                {address: self._evm.basic(address) for address in writes.accounts},
                {slot: self._evm.storage(*slot) for slot in writes.slots},
            )

    def _write(self, writes: _Writes) -> None:
        for address, info in writes.accounts.items():
            self._insert(address, info)
        evm = self._evm
        for (address, slot), value in writes.slots.items():
            # Inserting loads the account into the journal, and pyrevm writes a slot to the database only while the account
            # is not in the journal. So the journal is emptied after each slot.
            checkpoint = evm.snapshot()
            evm.insert_account_storage(address, slot, value)
            evm.revert(checkpoint)

    def _read(self, address: str) -> AccountInfo:
        with self._isolated():
            return self._evm.basic(address)

    def _insert(self, address: str, info: AccountInfo) -> None:
        """Sets an account; every change of one is made here."""
        self._evm.insert_account_info(address, info)
        self._know(address, info)

    def _know(self, address: str, info: AccountInfo) -> None:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[address] = info


def _changes(journal: str, name: str) -> list[Any]:
    """What ``_CHANGES`` reads of the changes of a name. Most names are not there, and that is found fastest without a pattern."""
    return _CHANGES[name].findall(journal) if name in journal else []


def _slot_changes(journal: str) -> Iterator[tuple[str, int, str]]:
    """Address, slot and old value, in decimal digits, of each slot that was written.

    The text is ``StorageChange { address: 0x..., key: 5, had_value: Some(0) }``; a pattern would take ten times as long.
    """
    for before, after in pairwise(journal.split(_OLD)):
        key = before[before.rindex(" ") + 1 :]
        end = len(before) - len(key) - len(", key: ")
        yield before[end - 42 : end], int(key), after[: after.index(")")]


def _slot_key(address: str, slot: int) -> bytes:
    return bytes.fromhex(address[2:]) + slot.to_bytes(32)


def _account(balance: int, nonce: int = 0) -> AccountInfo:
    return AccountInfo(balance=balance, nonce=nonce)  # type: ignore[call-arg]  # pyrevm's stub is out of date


def _log(log: object) -> Log:
    topics, data = log.data  # type: ignore[attr-defined]
    return Log(log.address.lower(), tuple(topics), data)  # type: ignore[attr-defined]
