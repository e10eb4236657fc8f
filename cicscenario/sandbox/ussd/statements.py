"""Statements: from the custodial engine's list of transactions to the lines on the screen."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from cicscenario.sandbox.ussd.accounts import AccountBook, UssdAccount
from cicscenario.sandbox.ussd.cache import Cache
from cicscenario.sandbox.ussd.menus import OLD, Menus
from cicscenario.sandbox.ussd.profiles import Profiles
from cicscenario.sandbox.ussd.wallet import cut

_NAIROBI = timedelta(hours=3)
_ZERO = "0x" + 40 * "0"
_STRANGER = "GRASSROOTS ECONOMICS"  # whoever has no account here
_TAGS = {"recipient": ("received", "from"), "sender": ("sent", "to")}
_WAYS = {"recipient": "received", "sender": "sent"}


class Statements:
    """Keeps each account's statement in the cache."""

    def __init__(self, dialect: str, menus: Menus, accounts: AccountBook, cache: Cache, profiles: Profiles) -> None:
        self._is_old = dialect == OLD
        self._menus = menus
        self._accounts = accounts
        self._cache = cache
        self._profiles = profiles

    def add(self, address: str, transactions: Iterable[Mapping[str, Any]]) -> None:
        """Adds an account's transactions, in the engine's form, to its statement; those that are there stay as they are."""
        raw = bytes.fromhex(address.removeprefix("0x"))
        account = self._accounts.by_address(address)
        if account is None:
            return
        known = self._cache.statement(raw) or []
        name = cache(self._name)  # the engine lists all of an account's transactions each time
        for transaction in transactions:
            if transaction.get("source_token") == _ZERO:
                continue
            if not self._is_old and transaction.get("status") != "SUCCESS":
                continue
            for entry in self._entries(account, address, transaction, name):
                if entry not in known:
                    known.append(entry)
        self._cache.save_statement(raw, known)

    def _name(self, address: str) -> str:
        account = self._accounts.by_address(address)
        return self._profiles.name(account) if account else _STRANGER

    def _entries(
        self, account: UssdAccount, address: str, transaction: Mapping[str, Any], name: Callable[[str], str]
    ) -> Iterator[dict[str, Any]]:
        sides = {"recipient": ("destination", "to_value"), "sender": ("source", "from_value")}
        for role, (side, value) in sides.items():
            if transaction.get(role) != address:
                continue
            language = self._cache.language(account.raw_address)
            action, direction = (self._menus.word(tag, language) for tag in _TAGS[role])
            symbol = transaction.get(f"{side}_token_symbol")
            if not self._is_old:
                self._cache.save_last_token(account.raw_address, _WAYS[role], str(symbol))
            yield {
                "action_tag": action,
                "direction_tag": direction,
                "token_symbol": symbol,
                "token_value": transaction.get(f"{side}_token_value") or transaction.get(value),
                "token_decimals": transaction.get(f"{side}_token_decimals"),
                "timestamp": transaction.get("timestamp"),
                "alt_metadata_id": name(transaction.get("sender" if role == "recipient" else "recipient", "")),
                "metadata_id": name(address),
            }


def current_lines(statement: list[dict[str, Any]]) -> list[str]:
    """The lines of a statement, the newest first, with the time in Nairobi."""
    ordered = sorted(statement, key=lambda entry: entry["timestamp"], reverse=True)
    return [
        f"{entry['action_tag']} {cut(entry['token_value'], entry['token_decimals'])} {entry['token_symbol']}"
        f" {entry['direction_tag']} {entry['alt_metadata_id']}"
        f" {datetime.fromtimestamp(int(entry['timestamp']), UTC) + _NAIROBI:%d/%m/%y, %H:%M %p}"
        for entry in ordered
    ]


def old_lines(statement: list[dict[str, Any]], shown: Callable[[int], Decimal], now: datetime) -> list[str]:
    """The lines of a statement of 2021: with the owner's own name, and the time of asking."""
    return [
        f"{entry['action_tag']} {shown(entry['token_value'])} {entry['token_symbol']} {entry['direction_tag']}"
        f" {entry['metadata_id']} {now:%d/%m/%y, %H:%M}"
        for entry in statement
    ]
