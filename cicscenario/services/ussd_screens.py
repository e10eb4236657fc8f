"""Recognises the screens of the phone interface by their whole text, in every language.

The texts are in ussd_screens.yaml, and those of further menus in ussd_menus.yaml. These are all one state, but for the menus of
payments and statements.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path

import yaml

_LONGEST = 120
_RECOGNISED = 32  # texts whose screens are remembered: nearly all dials of a run get one of a few answers
_FILLED_IN = {
    "<balance>": r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?",
    "<symbol>": r"[^\n]{1,40}",
    "<phone>": r"[^\n]{0,40}",
    "<attempts>": r"\d+",
    "<code>": r"[^\n]{1,40}",
    "<any>": r"[^\n]{0,200}",
    "<lines>": r"[\s\S]{0,1000}?",
    "<statement>": r"(?:[^\n]{1,200} \d\d/\d\d/\d\d, \d\d:\d\d(?: [AP]M)?\n?){1,9}",
}


class Dialect(StrEnum):
    """Which cic-ussd is spoken to."""

    CURRENT = "current"  #: of 2022: the language is chosen first, and that creates the account
    OF_2021 = "2021"  #: the first dial creates the account, the language is chosen at a later one


def dialect_words(dialect: Dialect) -> str:
    """The dialect in words, after "cic-ussd"."""
    return "of 2021" if dialect is Dialect.OF_2021 else "of 2022"


def use(dialect: Dialect) -> str:
    """The hint for a scenario whose server speaks this dialect."""
    written = '"2021"' if dialect is Dialect.OF_2021 else dialect.value
    return f"set `dialect: {written}` in `backend` of the scenario"


class State(StrEnum):
    """What a screen says about the person's account, or asks of the person."""

    LANGUAGE_MENU = "language_menu"
    LANGUAGE_MENU_2 = "language_menu_2"
    LANGUAGE_MENU_3 = "language_menu_3"
    ACCOUNT_CREATION = "account_creation"
    PIN_ENTRY = "pin_entry"
    PIN_CONFIRMATION = "pin_confirmation"
    START = "start"
    BLOCKED = "blocked"
    WRONG_PIN = "wrong_pin"
    INVALID_PIN = "invalid_pin"
    INVALID_CHOICE = "invalid_choice"
    INVALID_INPUT = "invalid_input"
    INVALID_REQUEST = "invalid_request"
    EXIT = "exit"
    HELP = "help"
    BALANCE_PIN = "balance_pin"
    ACCOUNT_MENU = "account_menu"
    RECIPIENT = "enter_transaction_recipient"
    AMOUNT = "enter_transaction_amount"
    PAYMENT_PIN = "transaction_pin_authorization"
    PAID = "exit_successful_transaction"
    NOT_ENOUGH = "exit_insufficient_balance"
    NO_RECIPIENT = "exit_invalid_recipient"
    STATEMENT_PIN = "account_statement_pin_authorization"
    STATEMENT = "first_transaction_set"  #: any page of a statement
    STATEMENT_EMPTY = "first_transaction_set_empty"  #: a page without transactions
    MENU = "menu"  #: another menu of a registered number, such as that of a profile
    UNKNOWN_SERVICE_CODE = "unknown_service_code"
    UNKNOWN = "unknown"


#: What the first screen of a session can be only for an active account with a PIN: its last session is resumed there.
IN_ACCOUNT = frozenset(
    {
        State.START,
        State.ACCOUNT_MENU,
        State.MENU,
        State.RECIPIENT,
        State.AMOUNT,
        State.PAYMENT_PIN,
        State.PAID,
        State.NOT_ENOUGH,
        State.NO_RECIPIENT,
        State.STATEMENT_PIN,
        State.STATEMENT,
        State.STATEMENT_EMPTY,
        State.BALANCE_PIN,
        State.WRONG_PIN,
        State.HELP,
        State.INVALID_CHOICE,
        State.INVALID_INPUT,
        State.LANGUAGE_MENU_2,
        State.LANGUAGE_MENU_3,
    }
)


_MENU_STATES = {state.value: state for state in State} | {
    "middle_transaction_set": State.STATEMENT,
    "last_transaction_set": State.STATEMENT,
    "middle_transaction_set_empty": State.STATEMENT_EMPTY,
    "last_transaction_set_empty": State.STATEMENT_EMPTY,
}


@dataclass(frozen=True)
class Screen:
    """One answer: its ``text`` as sent, its ``state``, and the ``language`` it is in (None when unknown).

    ``session`` and ``phone`` say whose it is; a next input goes into that session.
    """

    text: str
    state: State
    language: str | None
    session: str = ""
    phone: str = ""

    @property
    def goes_on(self) -> bool | None:
        """Whether the session goes on (CON) or is over (END, sometimes without a blank after it); None for neither."""
        return {"CON": True, "END": False}.get(self.text[:3])

    def __str__(self) -> str:
        return f"{self.text[:_LONGEST]!r}"


def recognise(text: str, dialect: Dialect, session: str = "", phone: str = "") -> Screen:
    """The screen with this text; one that is in no table has the state UNKNOWN."""
    state, language = _recognised(text, dialect)
    return Screen(text, state, language, session, phone)


@lru_cache(_RECOGNISED)
def _recognised(text: str, dialect: Dialect) -> tuple[State, str | None]:
    for pattern, state, language in _table(dialect):
        if pattern.fullmatch(text):
            return state, language
    return State.UNKNOWN, None


@cache
def _table(dialect: Dialect) -> list[tuple[re.Pattern[str], State, str]]:
    screens, menus = _texts("ussd_screens.yaml", dialect), _texts("ussd_menus.yaml", dialect)
    rows = [(State(state), language, text) for state, texts in screens.items() for language, text in texts.items()]
    # Texts with much of their own come before those in which almost anything may stand.
    rows += sorted(
        (
            (_MENU_STATES.get(name, State.MENU), language, text)
            for name, texts in menus.items()
            for language, text in texts.items()
        ),
        key=lambda row: -len(row[2]),
    )
    return [(_pattern(text), state, language) for state, language, text in rows]


def _texts(name: str, dialect: Dialect) -> dict[str, dict[str, str]]:
    """The texts of a file by name and language."""
    texts: dict[str, dict[str, str]] = yaml.safe_load(Path(__file__).with_name(name).read_text("utf-8"))[dialect.value]
    return texts


def _pattern(text: str) -> re.Pattern[str]:
    """Literal but for the placeholders."""
    parts = re.split(f"({'|'.join(_FILLED_IN)})", text)
    return re.compile("".join(_FILLED_IN.get(part) or re.escape(part) for part in parts))
