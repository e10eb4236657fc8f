"""Balances of an account and its list of tokens, as the screens show them. They are read from the chain at the start menu."""

from decimal import ROUND_DOWN, Decimal
from math import trunc
from typing import Any, Protocol

from cicscenario.sandbox.ussd.cache import Cache, Holdings
from cicscenario.sandbox.ussd.tokens import TokenInfo, Tokens

_CENT = Decimal("0.01")


class NoScreenError(Exception):
    """cic-ussd has no screen here and fails."""


class Wallet(Protocol):
    """Tokens and balances of accounts; addresses have 20 bytes. Raises NoScreenError for what is not known yet."""

    def symbol(self, address: bytes) -> str:
        """Symbol of the token that an account uses."""

    def refresh(self, address: bytes) -> None:
        """Reads the balances from the chain into the cache."""

    def balance(self, address: bytes) -> Any:
        """The cached balance of the account's token, in whole tokens and as shown."""

    def units(self, address: bytes, amount: Any) -> int:
        """An amount in base units of the account's token."""


class CurrentWallet:
    """Accounts that have received several tokens, and use one of them."""

    def __init__(self, cache: Cache, tokens: Tokens) -> None:
        self._cache = cache
        self._tokens = tokens

    def symbol(self, address: bytes) -> str:
        return _active(self._cache.active_token(address))

    def _data(self, symbol: str) -> dict[str, Any]:
        return _known(self._cache.token_data(symbol))

    def refresh(self, address: bytes) -> None:
        holdings = self._cache.holdings(address)
        symbol, received = _active(holdings.active), holdings.received
        held = list(dict.fromkeys([symbol, *(received or [])]))
        data = self._cache.tokens_data(held)
        decimals = _known(data[symbol])["decimals"]
        if received is None:
            raise NoScreenError("no token has been reported for this account")
        balances = {each: self._balances(each, address) for each in held}
        entries = [_entry(_known(data[each]), balances[each]) for each in received]
        spendable = cut(_sum(balances[symbol], incoming=False), decimals)
        self._cache.save_wallet(address, symbol, balances, spendable, _listed(entries, holdings))

    def _balances(self, symbol: str, address: bytes) -> dict[str, int]:
        units = self._tokens.balance(self._contract(symbol).address, address)
        return {"balance_network": units, "balance_incoming": 0, "balance_outgoing": 0}

    def _contract(self, symbol: str) -> TokenInfo:
        default = self._tokens.default()
        return default if symbol == default.symbol else self._tokens.by_symbol(symbol)

    def balance(self, address: bytes) -> float:
        symbol = self.symbol(address)
        decimals = self._data(symbol)["decimals"]
        balances = self._cache.balances(address, symbol)
        if balances is None:
            raise NoScreenError("No cached display balance.")
        return cut(_sum(balances), decimals)

    def units(self, address: bytes, amount: float) -> int:
        return int(amount * 10 ** self._data(self.symbol(address))["decimals"])


def _active(symbol: str | None) -> str:
    if symbol is None:
        raise NoScreenError("No active token set.")
    return symbol


def _known(data: dict[str, Any] | None) -> dict[str, Any]:
    if data is None:
        raise NoScreenError("no token has been reported for this account")
    return data


def _entry(data: dict[str, Any], balances: dict[str, int]) -> dict[str, Any]:
    """A token in the list of tokens."""
    return {
        "name": data.get("name"),
        "symbol": data.get("symbol"),
        "issuer": data.get("issuer"),
        "contact": data["contact"].get("phone"),
        "location": data.get("location"),
        "balance": cut(_sum(balances), data["decimals"]),
    }


def _listed(entries: list[dict[str, Any]], holdings: Holdings) -> list[dict[str, Any]]:
    """The token that was last sent, the one that was last received, and the others, the highest balance first."""
    listed: list[dict[str, Any]] = []
    for last in (holdings.last_sent, holdings.last_received):
        if found := next((entry for entry in entries if entry["symbol"] == last), None):
            entries.remove(found)
            listed.append(found)
    return listed + sorted(entries, key=lambda entry: float(entry["balance"]), reverse=True)


class OldWallet:
    """Accounts that all use the default token, as in 2021. Amounts are decimal there, with two places."""

    def __init__(self, cache: Cache, tokens: Tokens) -> None:
        self._cache = cache
        self._tokens = tokens

    def symbol(self, address: bytes) -> str:
        return self._tokens.default().symbol

    def refresh(self, address: bytes) -> None:
        token = self._tokens.default()
        units = self._tokens.balance(token.address, address)
        balances = {"balance_network": units, "balance_incoming": 0, "balance_outgoing": 0}
        self._cache.save_balances(address, token.symbol, balances)

    def balance(self, address: bytes) -> Decimal:
        token = self._tokens.default()
        balances = self._cache.balances(address, token.symbol)
        if balances is None:
            raise NoScreenError("no cached balance")
        return self.shown(_sum(balances))

    def units(self, address: bytes, amount: int) -> int:
        return int(amount * 10 ** self._tokens.default().decimals)

    def shown(self, units: int) -> Decimal:
        """Base units as whole tokens; by way of floating point, to round as cic-ussd did."""
        whole = float(units) / 10 ** self._tokens.default().decimals
        return Decimal(whole).quantize(_CENT, ROUND_DOWN)


def _sum(balances: dict[str, int], *, incoming: bool = True) -> int:
    return balances["balance_network"] + incoming * balances["balance_incoming"] - balances["balance_outgoing"]


def cut(units: int, decimals: int) -> float:
    """Base units as whole tokens, cut to two decimal places; in floating point, to round as cic-ussd does."""
    whole: float = float(units) / 10**decimals
    return trunc(100.0 * whole) / 100.0
