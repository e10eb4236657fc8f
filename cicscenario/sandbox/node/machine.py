"""The EVM: runs one transaction at a time on revm, with the gas and the fees of a real chain.

pyrevm keeps everything it runs in one journal that is never closed, where storage stays warm and original values grow
old, so that gas would read too low. Here the journal is empty before each transaction: what a transaction wrote is read
out of the journal, the journal is reverted, and the new values go straight to the database below it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from pyrevm import EVM, AccountInfo, BlockEnv, CfgEnv, Env, TxEnv

from cicscenario.sandbox.node.transaction import Transaction

COINBASE = bytes(20)  #: collects the fees
_SLOT = re.compile(r"StorageChange \{ address: (0x[0-9a-f]{40}), key: (\d+)")
_ACCOUNT = re.compile(r"(?:NonceChange|AccountCreated|CodeChange|AccountDestroyed|BalanceTransfer) \{([^}]*)\}")
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_PADDING = 33  #: zero bytes that revm adds behind code
_OUTPUT = re.compile(r"output: 0x([0-9a-f]*)")

Undo = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Log:
    """One event; topics of 32 bytes."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Execution:
    """What running some code came to. ``output`` is the return value, or what it reverted with."""

    ok: bool
    gas_used: int
    output: bytes
    halted: str  #: why it stopped without reverting, such as OutOfGas; empty otherwise
    logs: tuple[Log, ...]
    contract: bytes | None


@dataclass(frozen=True)
class BlockContext:
    """What code can ask about the block it runs in; ``timestamp`` in Unix seconds."""

    number: int
    timestamp: int
    gas_limit: int


@dataclass(frozen=True)
class Message:
    """A call to run; ``to`` is None for the creation of a contract. Price and value in wei."""

    sender: bytes
    to: bytes | None
    data: bytes
    value: int
    gas: int
    gas_price: int = 0
    access_list: tuple[tuple[bytes, tuple[int, ...]], ...] = ()


def _hex(address: bytes) -> str:
    return "0x" + address.hex()


class Machine:
    """The state of all accounts. ``undo`` collects how to take back what is written, while it is a list."""

    def __init__(self, chain_id: int) -> None:
        self._evm = EVM(env=Env(cfg=CfgEnv(chain_id=chain_id)), gas_limit=2**63)
        self._chain_id = chain_id
        self._codes: dict[bytes, bytes] = {}
        self.undo: list[Undo] | None = None

    # --- reading ------------------------------------------------------------------------------------------------

    def account(self, address: bytes) -> tuple[int, int]:
        """Nonce, and balance in wei."""
        mark = self._evm.snapshot()
        info = self._evm.basic(_hex(address))
        self._evm.revert(mark)
        return info.nonce, info.balance

    def code(self, address: bytes) -> bytes:
        return self._codes.get(address, b"")

    def storage(self, address: bytes, slot: int) -> int:
        mark = self._evm.snapshot()
        value: int = self._evm.storage(_hex(address), slot)
        self._evm.revert(mark)
        return value

    def call(self, message: Message, block: BlockContext) -> Execution:
        """Runs a message and forgets what it did."""
        mark = self._evm.snapshot()
        try:
            return self._run(message, block)
        finally:
            self._evm.revert(mark)

    # --- writing ------------------------------------------------------------------------------------------------

    def credit(self, address: bytes, amount: int) -> None:
        """Adds ``amount`` wei out of nothing: the genesis allocation, and fees."""
        nonce, balance = self.account(address)
        self._put_account(address, nonce, balance + amount, self.code(address))

    def execute(self, transaction: Transaction, block: BlockContext) -> Execution:
        """Runs a transaction whose nonce and balance were seen to be right, charges its fee, and keeps what it did."""
        message = Message(
            transaction.sender, transaction.to or None, transaction.data, transaction.value, transaction.gas,
            transaction.price, transaction.access_list,
        )  # fmt: skip
        mark = self._evm.snapshot()
        try:
            execution = self._run(message, block)
            accounts, slots = self._written()
        finally:
            self._evm.revert(mark)
        fee = execution.gas_used * transaction.price
        _, balance, code = accounts.pop(transaction.sender, (*self.account(transaction.sender), b""))
        self._put_account(transaction.sender, transaction.nonce + 1, balance - fee, code)
        for address, account in accounts.items():
            self._put_account(address, *account)
        for address, slot, word in slots:
            self._put_slot(address, slot, word)
        self.credit(COINBASE, fee)
        return execution

    def _run(self, message: Message, block: BlockContext) -> Execution:
        evm = self._evm
        evm.set_block_env(
            BlockEnv(number=block.number, timestamp=block.timestamp, gas_limit=block.gas_limit, coinbase=_hex(COINBASE))
        )
        evm.set_tx_env(
            TxEnv(access_list=[(_hex(a), list(keys)) for a, keys in message.access_list], chain_id=self._chain_id)
        )
        contract = None
        output = b""
        try:
            if message.to is None:
                # Price 0: pyrevm would charge creations, and only these, inside the journal.
                made = evm.deploy(_hex(message.sender), message.data, value=message.value, gas=message.gas)
                contract = bytes.fromhex(made[2:])
            else:
                output = evm.message_call(
                    _hex(message.sender), _hex(message.to), calldata=message.data, value=message.value,
                    gas=message.gas, gas_price=message.gas_price,
                )  # fmt: skip
        except RuntimeError as error:
            return self._failed(message, str(error))
        result = evm.result
        assert result is not None
        return Execution(True, result.gas_used, bytes(output), "", tuple(map(_log, result.logs)), contract)

    def _failed(self, message: Message, text: str) -> Execution:
        result = self._evm.result
        if result is None:  # refused before it ran: the limit is below what the data alone costs, say
            return Execution(False, message.gas, b"", text, (), None)
        output = _OUTPUT.search(text)
        halted = str(result.reason) if result.is_halt else ""
        return Execution(False, result.gas_used, bytes.fromhex(output[1]) if output else b"", halted, (), None)

    def _written(self) -> tuple[dict[bytes, tuple[int, int, bytes]], list[tuple[bytes, int, int]]]:
        """Accounts (nonce, balance, code) and storage words that stand changed in the journal."""
        text = self._evm.journal_str
        start = text.rfind("journal: [")  # before it stands the code of every account, in long hexadecimal
        slots = [
            (bytes.fromhex(address[2:]), int(slot), self._evm.storage(address, int(slot)))
            for address, slot in set(_SLOT.findall(text, start))
        ]
        changed = {address for entry in _ACCOUNT.findall(text, start) for address in _ADDRESS.findall(entry)}
        accounts = {}
        for address in changed:
            info = self._evm.basic(address)
            raw = bytes.fromhex(address[2:])
            accounts[raw] = (info.nonce, info.balance, self._codes.get(raw) or self._new_code(address))
        return accounts, slots

    def _new_code(self, address: str) -> bytes:
        """The code of an account that has just been made; revm shows it with the padding of its analysis."""
        code = bytes(self._evm.get_code(address) or b"")
        return code[:-_PADDING] if code.endswith(bytes(_PADDING)) else code

    def _put_account(self, address: bytes, nonce: int, balance: int, code: bytes) -> None:
        if self.undo is not None:
            before = (*self.account(address), self.code(address))
            self.undo.append(lambda: self._insert(address, *before))
        self._insert(address, nonce, balance, code)

    def _insert(self, address: bytes, nonce: int, balance: int, code: bytes) -> None:
        if code:
            self._codes[address] = code
        else:
            self._codes.pop(address, None)
        info = AccountInfo(nonce=nonce, balance=balance, code=code or None)  # type: ignore[call-arg]  # its stub is old
        self._evm.insert_account_info(_hex(address), info)

    def _put_slot(self, address: bytes, slot: int, word: int) -> None:
        if self.undo is not None:
            before = self.storage(address, slot)
            self.undo.append(lambda: self._insert_slot(address, slot, before))
        self._insert_slot(address, slot, word)

    def _insert_slot(self, address: bytes, slot: int, word: int) -> None:
        mark = self._evm.snapshot()
        self._evm.insert_account_storage(_hex(address), slot, word)
        self._evm.revert(mark)  # it loads the account, which would leave it warm; the word itself stays


def _log(log: object) -> Log:
    topics, data = log.data  # type: ignore[attr-defined]
    address: str = log.address  # type: ignore[attr-defined]
    return Log(bytes.fromhex(address[2:]), tuple(map(bytes, topics)), bytes(data))
