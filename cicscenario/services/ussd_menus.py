"""What people do at the menus of the phone interface (cic-ussd of 2022): they send tokens, and read their statement.

Each input is only sent to the screen that asks for it, and a PIN only where none was entered wrongly before: three wrong PINs
block an account, and a prompt that was left open is shown again at the next dial. Source: cic-ussd 0.3.1a7, ``transitions``,
``cic_ussd.processor.menu`` and ``cic_ussd.state_machine.logic``; recordings of its menus.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from threading import Event

from cicscenario.retry import pause
from cicscenario.services.ussd import UssdClient, UssdError
from cicscenario.services.ussd_screens import Screen, State

_SEND, _ACCOUNT, _STATEMENT, _NEXT, _LEAVE, _EXIT = "1", "3", "4", "11", "00", "99"
_PAGES = 3  # of a statement
_LEAVES = (0.0, 0.5, 1.0)  # seconds before a session that a dial resumes is left: the server stores it after its answer
#: A line of a statement: what was done, amount, token, and with whom: names, if they are known, and a phone number.
_LINE = re.compile(
    r"(?:CON )?(?P<way>\S[^\n]*?)  ?(?P<amount>-?\d+(?:\.\d+)?(?:e[+-]?\d+)?) (?P<symbol>\S+) (?P<whom>[^\n]+)"
    r" \d\d/\d\d/\d\d, \d\d:\d\d [AP]M"
)
#: The word for what was sent, in each language. Source: ``data/sys/helpers.csv``.
_SENT = {"Sent", "Ulituma", "Niwatumie", "Niuratumire", "Humwa", "Nioro", "Ergan"}
_RECEIVED = {"Received", "Ulipokea", "Niwakwatie", "Niuramukirire", "Hokera", "Niyudo", "Argat"}


class Paying(StrEnum):
    """What the phone says of a payment."""

    SENT = "sent"  #: it was requested of the custodial engine
    NOT_ENOUGH = "not enough"  #: the balance does not suffice; the PIN was not asked for


@dataclass(frozen=True)
class StatementLine:
    """One line of a statement: an ``amount`` in whole tokens, cut to two places, that was ``sent`` or received."""

    sent: bool
    amount: float
    symbol: str
    whom: str  #: ends with a phone number, or is the name of who has no account here


class PhoneMenus:
    """The menus of people whose accounts are active and have a PIN. Raises UssdError, with ``taken`` False for all but a
    payment whose PIN was sent and whose answer does not say what came of it.
    """

    def __init__(self, ussd: UssdClient, stopping: Event) -> None:
        self._ussd = ussd
        self._stopping = stopping

    def pay(self, phone: str, pin: str, payee: str, amount: int, symbol: str) -> Paying:
        """Sends ``amount`` whole tokens of the token with this symbol to the phone number ``payee``."""
        start = self._start(phone)
        if not start.text.partition("\n")[0].endswith(f" {symbol}"):
            raise self._other(start, f"a balance in {symbol}: the phone would send another token", answered=True)
        asked = self._to(self._to(start, _SEND, State.RECIPIENT), payee, State.AMOUNT)
        prompt = self._to(asked, str(amount), State.PAYMENT_PIN, State.NOT_ENOUGH)
        if prompt.state is State.NOT_ENOUGH:
            self._input(prompt, _EXIT)  # else the next dial would resume here
            return Paying.NOT_ENOUGH
        if not re.search(rf"(?<![\d.]){re.escape(f'{float(amount)} {symbol}')}\b", prompt.text):
            raise self._other(prompt, f"the amount {float(amount)} {symbol}")
        paid = self._ussd.send(prompt, pin)
        if paid.state is not State.PAID:
            refused = paid.state in (State.WRONG_PIN, State.BLOCKED)
            raise UssdError(self._seen(paid, "that the payment was sent"), taken=False if refused else None)
        return Paying.SENT

    def statement(self, phone: str, pin: str) -> list[StatementLine]:
        """The last transactions, the newest first: nine, or all. It is that of the last dial but one, or of this one."""
        account = self._to(self._start(phone), _ACCOUNT, State.ACCOUNT_MENU)
        page = self._to(self._to(account, _STATEMENT, State.STATEMENT_PIN), pin, *_STATEMENTS)
        found = lines_of(page)
        for _ in range(_PAGES - 1):
            if page.state is State.STATEMENT_EMPTY:
                break
            page = self._to(page, _NEXT, *_STATEMENTS)
            found += lines_of(page)
        self._input(page, _LEAVE)  # else the next dial would resume here
        return found

    def _start(self, phone: str) -> Screen:
        """The start menu; what an earlier session has left open is left first."""
        for seconds in _LEAVES:
            screen: Screen | None = None
            failure: UssdError | None = None
            try:
                screen = self._ussd.dial(phone)
                session, goes_on = screen.session, bool(screen.goes_on)
            except UssdError as error:
                if not error.answered or not error.session:
                    raise
                failure, session, goes_on = error, error.session, True  # an open prompt without its data is answered so
            if screen and screen.state is State.START:
                return screen
            if not goes_on or (screen and screen.state is State.LANGUAGE_MENU):  # there, any input may make an account
                break
            pause(seconds, self._stopping)
            try:
                self._ussd.leave(phone, session)
            except UssdError as error:
                failure = failure or error
        if failure:
            raise failure.without_effect()
        assert screen
        raise self._other(screen, "the start menu")

    def _to(self, screen: Screen, text: str, *expected: State) -> Screen:
        """The screen after an input, which must be one of these."""
        shown = self._input(screen, text)
        if shown.state not in expected:
            raise self._other(shown, " or ".join(expected))
        return shown

    def _input(self, screen: Screen, text: str) -> Screen:
        try:
            return self._ussd.send(screen, text)
        except UssdError as error:
            raise error.without_effect() from None

    def _other(self, screen: Screen, expected: str, *, answered: bool = True) -> UssdError:
        hint = None
        if screen.state is State.WRONG_PIN:
            hint = "a wrong PIN was entered before; none is entered now, so that the account is not blocked"
        return UssdError(self._seen(screen, expected), taken=False, hint=hint, answered=answered)

    def _seen(self, screen: Screen, expected: str) -> str:
        return (
            f"phone interface {self._ussd.address} showed {screen.phone} {screen.state} ({screen}), expected {expected}"
        )


_STATEMENTS = (State.STATEMENT, State.STATEMENT_EMPTY)


def lines_of(page: Screen) -> list[StatementLine]:
    """The lines of a page of a statement, in any language."""
    found = (_LINE.fullmatch(line) for line in page.text.split("\n"))
    return [
        StatementLine(line["way"] in _SENT, float(line["amount"]), line["symbol"], line["whom"])
        for line in found
        if line and line["way"] in _SENT | _RECEIVED
    ]
