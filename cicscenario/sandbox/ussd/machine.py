"""The state machine: the next state for each input. Source: cic-ussd's transitions, up to the balance screen."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cicscenario.sandbox.ussd.accounts import Session, UssdAccount, UssdStatus
from cicscenario.sandbox.ussd.menus import OLD, Menus
from cicscenario.sandbox.ussd.pins import PinScheme

MOST_ATTEMPTS = 3

LANGUAGE_PAGES = ("initial_language_selection", "initial_middle_language_set", "initial_last_language_set")
_INVALID = "exit_invalid_menu_option"
_BACK_OR_EXIT = {"00": "start", "99": "exit"}
_START = {
    "current": {
        "1": "enter_transaction_recipient",
        "2": "first_account_tokens_set",
        "3": "account_management",
        "4": "help",
    },
    OLD: {"1": "enter_transaction_recipient", "2": "account_management", "3": "help"},
}
_ACCOUNT_MANAGEMENT = {
    "1": "metadata_management", "2": "select_preferred_language", "3": "account_balances_pin_authorization",
    "4": "account_statement_pin_authorization", "5": "pin_management",
}  # fmt: skip
_OLD_LANGUAGES = {"1": "en", "2": "sw"}

#: The state after input 0; in other states 0 is an invalid request.
PARENTS = {
    "initial_pin_confirmation": "initial_pin_entry",
    "account_management": "start",
    "account_balances_pin_authorization": "account_management",
    "account_balances": "account_management",
}


class NoTransitionError(Exception):
    """This state has no transition for the input: cic-ussd's state machine fails."""


@dataclass
class Turn:
    """One input to a session. ``account`` is None for an unregistered number. Transitions change session and account."""

    text: str
    session: Session
    account: UssdAccount | None
    request_account: Callable[[str], None]  #: requests an account with this language
    set_language: Callable[[UssdAccount, str], None]  #: writes the preferred language to the metadata server

    def require_account(self) -> UssdAccount:
        if self.account is None:
            raise NoTransitionError("this state is only for a registered number")
        return self.account


class StateMachine:
    """The state machine of one dialect."""

    def __init__(self, dialect: str, menus: Menus, pins: PinScheme) -> None:
        self._is_old = dialect == OLD
        self._menus = menus
        self._pins = pins
        self._options: dict[str, tuple[Mapping[str, str], str]] = {
            "start": (_START[dialect], _INVALID),
            "account_management": (_ACCOUNT_MANAGEMENT, _INVALID),
            "help": (_BACK_OR_EXIT, "help"),
            _INVALID: (_BACK_OR_EXIT, _INVALID),
            "exit_invalid_input": (_BACK_OR_EXIT, "exit_invalid_input"),
        }
        self._steps: dict[str, Callable[[Turn], str]] = {
            "initial_pin_entry": self._pin_entry,
            "initial_pin_confirmation": self._pin_confirmation,
            "account_balances_pin_authorization": self._authorization,
        }
        for page in LANGUAGE_PAGES[:1] if self._is_old else LANGUAGE_PAGES:
            self._steps[page] = self._old_language if self._is_old else self._language

    def next_state(self, turn: Turn) -> str:
        """The state after an input. Raises NoTransitionError, or the error with which cic-ussd fails, such as ValueError."""
        state = turn.session.state
        if state in self._options:
            options, otherwise = self._options[state]
            return options.get(turn.text, otherwise)
        if state in self._steps:
            return self._steps[state](turn)
        raise NoTransitionError(f"nothing can be entered in state {state}")

    def _language(self, turn: Turn) -> str:
        page = LANGUAGE_PAGES.index(turn.session.state)
        if turn.text == "00":
            return "exit"
        if turn.text in ("11", "22"):
            turned = page + (1 if turn.text == "11" else -1)
            return LANGUAGE_PAGES[turned] if 0 <= turned < len(LANGUAGE_PAGES) else _INVALID
        if not self._menus.offers(turn.text):
            return _INVALID
        turn.request_account(self._menus.chosen_language(turn.text))
        return "account_creation_prompt"

    def _old_language(self, turn: Turn) -> str:
        if turn.text == "3":
            return "help"
        language = _OLD_LANGUAGES.get(turn.text)
        if language is None:
            return _INVALID
        account = turn.require_account()
        account.preferred_language = language
        turn.set_language(account, language)
        return "initial_pin_entry"

    def _pin_entry(self, turn: Turn) -> str:
        if not re.match(r"^\d{4}$", turn.text):
            return "exit_invalid_pin"
        turn.session.data["initial_pin"] = self._pins.hash(turn.text) if self._is_old else turn.text
        turn.session.version += 1  # cic-ussd writes the session twice here
        return "initial_pin_confirmation"

    def _pin_confirmation(self, turn: Turn) -> str:
        account = turn.require_account()
        initial = turn.session.data["initial_pin"]
        if self._is_old:
            if not self._pins.matches(turn.text, initial):
                raise NoTransitionError("the PIN is not the one entered before")
            account.password_hash = initial
        elif turn.text != initial:
            return "initial_pin_confirmation"
        else:
            account.password_hash = self._pins.hash(initial)
        account.status = UssdStatus.ACTIVE
        account.failed_pin_attempts = 0
        return "start"

    def _authorization(self, turn: Turn) -> str:
        account = turn.require_account()
        if self._pins.matches(turn.text, account.password_hash):
            if not self._is_old:
                account.failed_pin_attempts = 0
            return "account_balances"
        account.failed_pin_attempts += 1
        return "exit_pin_blocked" if lock_if_exhausted(account) else "account_balances_pin_authorization"


def lock_if_exhausted(account: UssdAccount) -> bool:
    """Locks an account after its last failed PIN attempt; says whether it is locked."""
    if account.failed_pin_attempts >= MOST_ATTEMPTS:
        account.status = UssdStatus.LOCKED
    return account.status == UssdStatus.LOCKED
