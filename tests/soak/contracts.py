"""The contracts of a CIC stack as dictionaries: registry, accounts index, token and faucet, and native balances."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from eth_abi.abi import encode
from eth_hash.auto import keccak

from cicscenario.chain.abi import selector, text32, to_hex
from cicscenario.chain.contracts import ADD, BALANCE_OF, COOLDOWN, GIVE_TO, HAVE, TRANSFER

REGISTRY, INDEX, TOKENS, TOKEN, FAUCET = (bytes([number]) * 20 for number in range(0xB1, 0xB6))
FAUCET_AMOUNT = 50_000_000
WEALTH = 10**15
_NAMED = {b"AccountRegistry": INDEX, b"TokenRegistry": TOKENS, b"DefaultToken": TOKEN, b"Faucet": FAUCET}
_ADDRESS_OF = selector("addressOf(bytes32)")
_TRANSFERRED = to_hex(keccak(b"Transfer(address,address,uint256)"))
_ADDED = to_hex(keccak(b"AddressAdded(address,uint256)"))

Log = dict[str, Any]


class RevertedError(Exception):
    """A contract rejected a call."""


@dataclass(frozen=True)
class Message:
    """A call or transaction: who calls what."""

    sender: bytes
    to: bytes
    value: int
    data: bytes

    def argument(self, number: int) -> bytes:
        return self.data[4 + 32 * number : 36 + 32 * number]

    @property
    def account(self) -> bytes:
        """The first argument, an address."""
        return self.argument(0)[12:]


@dataclass
class Contracts:
    """The state of all contracts after some transactions. ``rich`` accounts have native currency and tokens without end."""

    rich: frozenset[bytes]
    wei: dict[bytes, int] = field(default_factory=dict)
    tokens: dict[bytes, int] = field(default_factory=dict)
    registered: dict[bytes, int] = field(default_factory=dict)
    used_faucet: set[bytes] = field(default_factory=set)

    def execute(self, message: Message) -> list[Log]:
        """Carries out a transaction; gives its logs. Raises RevertedError, and then nothing has changed."""
        function, to = message.data[:4], message.to
        logs: list[Log] = []
        if to == INDEX and function == ADD:
            if message.account in self.registered:
                raise RevertedError("ERR_EXISTS")
            self.registered[message.account] = len(self.registered)
            logs = [_log(INDEX, [_ADDED, _topic(message.account)], self.registered[message.account])]
        elif to == TOKEN and function == TRANSFER:
            amount = int.from_bytes(message.argument(1), "big")
            if amount > self.balance(message.sender):
                raise RevertedError("ERR_BALANCE")
            self.tokens[message.sender] = self.balance(message.sender) - amount
            logs = [self._paid(message.sender, message.account, amount)]
        elif to == FAUCET and function == GIVE_TO:
            if message.account in self.used_faucet:
                raise RevertedError("ERR_USED")
            self.used_faucet.add(message.account)
            logs = [self._paid(FAUCET, message.account, FAUCET_AMOUNT)]
        elif message.data:
            raise RevertedError("there is no such function")
        self.wei[to] = self.wei.get(to, 0) + message.value
        return logs

    def _paid(self, sender: bytes, account: bytes, amount: int) -> Log:
        self.tokens[account] = self.tokens.get(account, 0) + amount
        return _log(TOKEN, [_TRANSFERRED, _topic(sender), _topic(account)], amount)

    def balance(self, account: bytes) -> int:
        return self.tokens.get(account, WEALTH if account in self.rich or account == FAUCET else 0)

    def call(self, message: Message) -> bytes:
        """What a call gives that changes nothing."""
        view = _VIEWS.get((message.to, message.data[:4]))
        if view:
            return view(self, message)
        if message.data[:4] in (ADD, TRANSFER, GIVE_TO) or not message.data:
            self.copy().execute(message)
            return b""
        raise RevertedError("there is no such function")

    def copy(self) -> "Contracts":
        return Contracts(self.rich, dict(self.wei), dict(self.tokens), dict(self.registered), set(self.used_faucet))


def _number(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _topic(address: bytes) -> str:
    return to_hex(address.rjust(32, b"\0"))


def _log(contract: bytes, topics: list[str], value: int) -> Log:
    return {"address": to_hex(contract), "topics": topics, "data": to_hex(_number(value))}


_View = Callable[[Contracts, Message], bytes]
_VIEWS: dict[tuple[bytes, bytes], _View] = {
    (REGISTRY, _ADDRESS_OF): lambda state, message: next(
        (address.rjust(32, b"\0") for name, address in _NAMED.items() if text32(name.decode()) == message.argument(0)),
        bytes(32),
    ),
    (TOKEN, selector("decimals()")): lambda state, message: _number(6),
    (TOKEN, selector("symbol()")): lambda state, message: encode(["string"], ["GFT"]),
    (TOKEN, BALANCE_OF): lambda state, message: _number(state.balance(message.account)),
    (FAUCET, selector("token()")): lambda state, message: TOKEN.rjust(32, b"\0"),
    (FAUCET, selector("tokenAmount()")): lambda state, message: _number(FAUCET_AMOUNT),
    (FAUCET, COOLDOWN): lambda state, message: _number(2**40 if message.account in state.used_faucet else 0),
    (INDEX, HAVE): lambda state, message: _number(message.account in state.registered),
}
