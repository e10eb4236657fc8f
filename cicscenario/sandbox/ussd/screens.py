"""What is on the screen in a state: the text, in the person's language, with balances filled in."""

from math import trunc
from typing import Any, Protocol

from cicscenario.sandbox.ussd.accounts import Session, UssdAccount
from cicscenario.sandbox.ussd.cache import Cache
from cicscenario.sandbox.ussd.machine import MOST_ATTEMPTS
from cicscenario.sandbox.ussd.menus import OLD, Menus
from cicscenario.sandbox.ussd.tokens import TokenInfo, Tokens


class Preferences(Protocol):
    """The metadata server, as far as a conversation needs it."""

    def refresh(self, address: bytes) -> None:
        """Copies an account's preferences into the cache, some time soon."""

    def refresh_now(self, address: bytes) -> None:
        """The same at once; does nothing when the server does not answer soon."""

    def write(self, address: bytes, language: str) -> None:
        """Writes a preferred language, some time soon."""


class NoScreenError(Exception):
    """cic-ussd has no screen for this, and fails."""


class Screens:
    """Texts of one dialect."""

    def __init__(self, dialect: str, menus: Menus, cache: Cache, tokens: Tokens, preferences: Preferences) -> None:
        self._is_old = dialect == OLD
        self._menus = menus
        self._cache = cache
        self._tokens = tokens
        self._preferences = preferences

    def text(self, session: Session, account: UssdAccount | None) -> str:
        """The screen of a session; raises DeadEndError where cic-ussd has none, or fails to fill it in."""
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
        """What is filled into the text of a state."""
        if session.state in ("start", "account_balances"):
            if account is None:
                raise NoScreenError("a balance for a number that is not registered")
            return self._start_values(account) if session.state == "start" else self._balance_values(account)
        if session.state == "account_balances_pin_authorization" and account:
            return {"remaining_attempts": MOST_ATTEMPTS - account.failed_pin_attempts}
        return {}

    def _token(self, address: bytes) -> tuple[str, int]:
        """Symbol and decimals of the token that an account uses; raises DeadEndError until it has received any."""
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
        # Of all screens this one takes cic-ussd so long that preferences asked for at its beginning are there.
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
    """The 20 bytes of an account's address; raises ValueError when it is written with 0x, as in cic-ussd."""
    return bytes.fromhex(account.address)


def _displayed(balances: dict[str, int], decimals: int) -> float:
    """Whole tokens, cut after two places; in floating point, for the same rounding as cic-ussd's."""
    units = balances["balance_network"] + balances["balance_incoming"] - balances["balance_outgoing"]
    whole: float = float(units) / 10**decimals
    return trunc(100.0 * whole) / 100.0
