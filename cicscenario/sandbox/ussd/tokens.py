"""Reads tokens and balances from the chain."""

import threading
from dataclasses import dataclass
from typing import Any, Protocol

from eth_abi.abi import decode

from cicscenario.chain.abi import from_hex, pack, selector, to_hex, word
from cicscenario.chain.contracts import BALANCE_OF, eth_call
from cicscenario.chain.discovery import discover
from cicscenario.chain.rpc import Rpc

_NAME = selector("name()")


@dataclass(frozen=True)
class TokenInfo:
    """A token; ``address`` has 20 bytes."""

    symbol: str
    name: str
    decimals: int
    address: bytes

    def as_entry(self) -> dict[str, Any]:
        """The token in the custodial engine's format."""
        return {
            "symbol": self.symbol, "address": self.address.hex(), "name": self.name, "decimals": self.decimals,
        }  # fmt: skip


class Tokens(Protocol):
    """A source of tokens and balances. Raises UnavailableError when it does not answer."""

    def default(self) -> TokenInfo:
        """The default token, which new accounts use."""

    def by_symbol(self, symbol: str) -> TokenInfo:
        """The token with this symbol."""

    def balance(self, token: bytes, holder: bytes) -> int:
        """A balance in the token's base units."""


class ChainTokens:
    """Tokens of the registry. cic-ussd asks the custodial engine for them; the sandbox asks the chain."""

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
    """The 20 bytes of an address written as ``0x`` and 40 hex digits. Raises ValueError for anything else."""
    raw = from_hex(text) if text.startswith("0x") else b""
    if len(raw) != 20:
        raise ValueError(f"not an address: {to_hex(raw) if raw else text!r}")
    return raw
