"""The screen of a state: its text in the person's language, with balances filled in."""

from math import trunc
from typing import Any, Protocol

from cicscenario.sandbox.ussd.accounts import Session, UssdAccount
from cicscenario.sandbox.ussd.cache import Cache
from cicscenario.sandbox.ussd.machine import MOST_ATTEMPTS
from cicscenario.sandbox.ussd.menus import OLD, Menus
from cicscenario.sandbox.ussd.tokens import TokenInfo, Tokens


class Preferences(Protocol):
    """The part of the metadata server that a conversation uses."""

    def refresh(self, address: bytes) -> None:
        """Copies an account's preferences into the cache, in the background."""

    def refresh_now(self, address: bytes) -> None:
        """Copies an account's preferences into the cache now; gives up when the server does not answer soon."""

    def write(self, address: bytes, language: str) -> None:
        """Writes a preferred language, in the background."""


class NoScreenError(Exception):
    """cic-ussd has no screen here and fails."""


class Screens:
    """The screens of one dialect."""

    def __init__(self, dialect: str, menus: Menus, cache: Cache, tokens: Tokens, preferences: Preferences) -> None:
        self._is_old = dialect == OLD
        self._menus = menus
        self._cache = cache
        self._tokens = tokens
        self._preferences = preferences

    def text(self, session: Session, account: UssdAccount | None) -> str:
        """The screen of a session. Raises NoScreenError where cic-ussd has no screen, or cannot fill it in."""
        state = session.state
        if state not in self._menus:
            raise NoScreenError(f"the screen of {state} is not part of the sandbox")
        if account is None:
            return self._menus.text(state, self._language_of(session), self._values(session, None))
        values = self._values(session, account)
        if state == "account_balances_pin_authorization" and account.failed_pin_attempts:
            state = "retry_pin_entry"
        language = self._language_of(session) or self._cache.language(raw_address(account))
        return self._menus.text(state, language, values)

    def _language_of(self, session: Session) -> str | None:
        if session.state != "account_creation_prompt" or self._is_old:
            return None
        return self._menus.chosen_language(session.user_input.split("*")[-1])

    def _values(self, session: Session, account: UssdAccount | None) -> dict[str, Any]:
        """The values for the placeholders in the text of a state."""
        if session.state in ("start", "account_balances"):
            if account is None:
                raise NoScreenError("a balance for a number that is not registered")
            return self._start_values(account) if session.state == "start" else self._balance_values(account)
        if session.state == "account_balances_pin_authorization" and account:
            return {"remaining_attempts": MOST_ATTEMPTS - account.failed_pin_attempts}
        return {}

    def _token(self, address: bytes) -> tuple[str, int]:
        """Symbol and decimals of an account's token. Raises NoScreenError before the account has received a token."""
        if self._is_old:
            token = self._tokens.default()
            return token.symbol, token.decimals
        symbol = self._cache.active_token(address)
        if symbol is None:
            raise NoScreenError("No active token set.")
        data = self._cache.token_data(symbol)
        if data is None or self._cache.token_symbols(address) is None:
            raise NoScreenError("no token has been reported for this account")
        return symbol, data["decimals"]

    def _contract(self, symbol: str) -> TokenInfo:
        default = self._tokens.default()
        return default if symbol == default.symbol else self._tokens.by_symbol(symbol)

    def _start_values(self, account: UssdAccount) -> dict[str, Any]:
        address = raw_address(account)
        symbol, decimals = self._token(address)
        units = self._tokens.balance(self._contract(symbol).address, address)
        balances = {"balance_network": units, "balance_incoming": 0, "balance_outgoing": 0}
        self._cache.save_balances(address, symbol, balances)
        # cic-ussd needs so long for this screen that the preferences it asked for at the beginning have arrived.
        self._preferences.refresh_now(address)
        return {"account_balance": _displayed(balances, decimals), "account_token_name": symbol}

    def _balance_values(self, account: UssdAccount) -> dict[str, Any]:
        address = raw_address(account)
        symbol, decimals = self._token(address)
        balances = self._cache.balances(address, symbol)
        if balances is None:
            raise NoScreenError("No cached display balance.")
        return {"available_balance": _displayed(balances, decimals), "token_symbol": symbol, "tax": "", "bonus": ""}


def raw_address(account: UssdAccount) -> bytes:
    """The 20 bytes of an account's address. As in cic-ussd, raises ValueError when it is written with 0x."""
    return bytes.fromhex(account.address)


def _displayed(balances: dict[str, int], decimals: int) -> float:
    """Whole tokens, cut to two decimal places; in floating point, to round as cic-ussd does."""
    units = balances["balance_network"] + balances["balance_incoming"] - balances["balance_outgoing"]
    whole: float = float(units) / 10**decimals
    return trunc(100.0 * whole) / 100.0
