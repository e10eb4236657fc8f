"""Finds every contract from the registry's address, and how each generation of it is spoken to.

Two generations are in use: those compatible with cic-eth 0.12 and the latest releases. They are told apart by asking
the contracts, never by configuration. Selectors and keys: the published ABIs of the contract packages.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Any

from cicscenario.chain.abi import from_hex, pack, selector, text32, to_hex, word
from cicscenario.chain.rpc import Rpc, RpcError
from cicscenario.errors import UnavailableError

ADD = selector("add(address)")
HAVE = selector("have(address)")
GIVE_TO = selector("giveTo(address)")
TRANSFER = selector("transfer(address,uint256)")
MINT_TO = selector("mintTo(address,uint256)")
BALANCE_OF = selector("balanceOf(address)")
_ADDRESS_OF = selector("addressOf(bytes32)")
_DECIMALS = selector("decimals()")
_SYMBOL = selector("symbol()")
_DEMURRAGE = selector("demurrageAmount()")
_TOKEN = selector("token()")
_TOKEN_AMOUNT = selector("tokenAmount()")
_COOLDOWN = selector("cooldown(address)")
_CHECK = selector("check(address)")
# How fast balances shrink, 64.64 fixed point, under its names of both generations.
_DECAY_LEVELS = (selector("taxLevel()"), selector("decayLevel()"))


@dataclass(frozen=True)
class Token:
    """An ERC-20 token. ``decay`` is the factor by which balances shrink each minute, or None when they do not."""

    address: bytes
    symbol: str
    decimals: int
    decay: float | None

    def base_units(self, whole: int) -> int:
        return whole * int(10**self.decimals)


@dataclass(frozen=True)
class Faucet:
    """The token faucet: what it pays out (base units of ``token``), and how to ask whether someone has used it."""

    address: bytes
    token: Token
    amount: int
    probe: bytes  #: selector of ``cooldown(address)`` (0 = unused) or ``check(address)`` (1 = unused)

    def used(self, answer: str) -> bool:
        """Reads the probe's answer for one address."""
        unused = 0 if self.probe == _COOLDOWN else 1
        return word(answer) != unused


@dataclass(frozen=True)
class Contracts:
    """Everything the runner speaks to on chain."""

    registry: bytes
    accounts_index: bytes
    token: Token  #: the token of the gifts
    faucet: Faucet | None

    @property
    def addresses(self) -> tuple[bytes, ...]:
        """Contracts whose logs prove that a transaction did what it was sent for."""
        found = {self.accounts_index, self.token.address}
        if self.faucet:
            found |= {self.faucet.address, self.faucet.token.address}
        return tuple(sorted(found))


def eth_call(to: bytes, data: bytes, sender: bytes | None = None) -> tuple[str, list[Any]]:
    """A JSON-RPC ``eth_call`` on the newest block."""
    call = {"to": to_hex(to), "data": to_hex(data)}
    if sender:
        call["from"] = to_hex(sender)
    return "eth_call", [call, "latest"]


def discover(rpc: Rpc, registry: bytes, symbol: str | None) -> Contracts:
    """Asks the registry; ``symbol`` names the gift token, else the registry's default token is taken.

    Raises UnavailableError when the registry, a contract it must name, or the token is not there.
    """
    if rpc.call("eth_getCode", to_hex(registry), "latest") in ("0x", None):
        raise UnavailableError(
            f"no contract at the registry address {to_hex(registry)} on {rpc.name}",
            hint="check `chain.registry` in the environment file, and that the node serves the right chain",
        )
    names = ("AccountRegistry", "TokenRegistry", "DefaultToken", "Faucet")
    answers = rpc.results([eth_call(registry, pack(_ADDRESS_OF, text32(name))) for name in names])
    found = {name: _address(answer) for name, answer in zip(names, answers, strict=True)}
    accounts = _named(found, "AccountRegistry", registry, rpc)
    if symbol:
        address = _by_symbol(rpc, _named(found, "TokenRegistry", registry, rpc), symbol)
    else:
        address = _named(found, "DefaultToken", registry, rpc)
    token = _token(rpc, address)
    return Contracts(registry, accounts, token, _faucet(rpc, found["Faucet"], token))


def _address(answer: Any) -> bytes | None:
    if isinstance(answer, RpcError) or not word(answer):
        return None
    return from_hex(answer)[12:32]


def _named(found: dict[str, bytes | None], name: str, registry: bytes, rpc: Rpc) -> bytes:
    address = found[name]
    if address is None:
        raise UnavailableError(
            f"the registry {to_hex(registry)} on {rpc.name} names no {name}",
            hint="deploy the contract and set it in the registry, or check `chain.registry` in the environment file",
        )
    return address


def _by_symbol(rpc: Rpc, index: bytes, symbol: str) -> bytes:
    # The older index keys a token by sha256 of its symbol, the latest by the symbol itself.
    keys = [hashlib.sha256(symbol.encode()).digest()] + ([text32(symbol)] if len(symbol.encode()) <= 32 else [])
    for answer in rpc.results([eth_call(index, pack(_ADDRESS_OF, key)) for key in keys]):
        if address := _address(answer):
            return address
    raise UnavailableError(
        f"the token index {to_hex(index)} on {rpc.name} knows no token with the symbol {symbol!r}",
        hint="check `gift.token` (symbols are case-sensitive), or register the token in the index",
    )


def _token(rpc: Rpc, address: bytes) -> Token:
    decimals, symbol, demurrage, *levels = rpc.results(
        [eth_call(address, function) for function in (_DECIMALS, _SYMBOL, _DEMURRAGE, *_DECAY_LEVELS)]
    )
    if isinstance(decimals, RpcError) or decimals == "0x":
        raise UnavailableError(f"the contract at {to_hex(address)} on {rpc.name} is not a token: it has no decimals()")
    decay = None
    if not isinstance(demurrage, RpcError) and len(demurrage) > 2:
        level = next((word(answer) for answer in levels if not isinstance(answer, RpcError) and len(answer) > 2), 0)
        decay = _per_minute(level)
    return Token(address, _string(symbol), word(decimals), decay)


def _per_minute(level: int) -> float:
    """The contracts keep the natural logarithm of the factor, negative; the oldest kept the factor itself."""
    signed = (level - 2**256 if level >= 2**255 else level) / 2**64
    return math.exp(signed) if signed < 0 else signed


def _string(answer: Any) -> str:
    if isinstance(answer, RpcError) or len(answer) < 130:
        return "?"
    raw = from_hex(answer)
    return raw[64 : 64 + int.from_bytes(raw[32:64], "big")].decode("utf-8", "replace")


def _faucet(rpc: Rpc, address: bytes | None, gift_token: Token) -> Faucet | None:
    if address is None:
        return None
    token, amount, cooldown = rpc.results(
        [eth_call(address, _TOKEN), eth_call(address, _TOKEN_AMOUNT), eth_call(address, pack(_COOLDOWN, 1))]
    )
    paid = _address(token)
    if paid is None or isinstance(amount, RpcError):
        raise UnavailableError(f"the faucet {to_hex(address)} on {rpc.name} does not say what it pays out")
    is_older = not isinstance(cooldown, RpcError) and len(cooldown) > 2
    return Faucet(
        address,
        gift_token if paid == gift_token.address else _token(rpc, paid),
        word(amount),
        _COOLDOWN if is_older else _CHECK,
    )
