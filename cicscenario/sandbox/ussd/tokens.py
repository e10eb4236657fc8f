"""Tokens and balances, read from the chain."""

import threading
from dataclasses import dataclass
from typing import Any, Protocol

from eth_abi.abi import decode

from cicscenario.chain.abi import from_hex, pack, selector, to_hex, word
from cicscenario.chain.contracts import BALANCE_OF, discover, eth_call
from cicscenario.chain.rpc import Rpc

_NAME = selector("name()")


@dataclass(frozen=True)
class TokenInfo:
    """A token; ``address`` of 20 bytes."""

    symbol: str
    name: str
    decimals: int
    address: bytes

    def as_entry(self) -> dict[str, Any]:
        """As the custodial engine tells it."""
        return {
            "symbol": self.symbol, "address": self.address.hex(), "name": self.name, "decimals": self.decimals,
        }  # fmt: skip


class Tokens(Protocol):
    """Where tokens and balances are known. Raises UnavailableError when they cannot be asked for."""

    def default(self) -> TokenInfo:
        """The token that new accounts use."""

    def by_symbol(self, symbol: str) -> TokenInfo: ...

    def balance(self, token: bytes, holder: bytes) -> int:
        """In the token's base units."""


class ChainTokens:
    """Tokens that the registry names. The phone interface asks the chain itself where cic-ussd asks the engine."""

    def __init__(self, rpc: Rpc, registry: bytes) -> None:
        self._rpc = rpc
        self._registry = registry
        self._lock = threading.Lock()
        self._known: dict[str | None, TokenInfo] = {}

    def default(self) -> TokenInfo:
        return self._token(None)

    def by_symbol(self, symbol: str) -> TokenInfo:
        return self._token(symbol)

    def _token(self, symbol: str | None) -> TokenInfo:
        with self._lock:
            if symbol not in self._known:
                token = discover(self._rpc, self._registry, symbol).token
                name = decode(["string"], from_hex(self._rpc.calls([eth_call(token.address, _NAME)])[0]))[0]
                self._known[symbol] = TokenInfo(token.symbol, name, token.decimals, token.address)
            return self._known[symbol]

    def balance(self, token: bytes, holder: bytes) -> int:
        return word(self._rpc.calls([eth_call(token, pack(BALANCE_OF, int.from_bytes(holder)))])[0])


def registry_address(text: str) -> bytes:
    """20 bytes of ``0x`` and 40 hex digits; raises ValueError for anything else."""
    raw = from_hex(text) if text.startswith("0x") else b""
    if len(raw) != 20:
        raise ValueError(f"not an address: {to_hex(raw) if raw else text!r}")
    return raw
