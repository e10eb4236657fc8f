"""The menus of the phone interface by which people send tokens. Screens are those of cic-ussd 0.3.1a7, in English."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import bcrypt

from tests.soak.chain import SimChain
from tests.soak.database import Account, Database
from tests.soak.engine import SimEngine

_START, _EXIT, _HELP = "start", "exit", "help"
_RECIPIENT, _AMOUNT, _PIN = "enter_transaction_recipient", "enter_transaction_amount", "transaction_pin_authorization"
_PAID, _SHORT, _NOBODY = "exit_successful_transaction", "exit_insufficient_balance", "exit_invalid_recipient"
_OVER = (_EXIT, _PAID)  # a next session begins at the start menu
_UNIT = 10**6  # base units of a token
_ATTEMPTS = 3  # with a PIN


@dataclass(frozen=True)
class _Session:
    """A session: its state, and what was typed for a payment."""

    state: str = _START
    payee: str = ""
    amount: float = 0.0
    wrong: int = 0  #: PINs


@dataclass
class SimMenus:
    """``request`` asks the engine for a transfer: payer, payee, base units."""

    database: Database
    engine: SimEngine
    chain: SimChain
    request: Callable[[bytes, bytes, int], None]
    _sessions: dict[str, _Session] = field(default_factory=dict)  # by id
    _newest: dict[str, str] = field(default_factory=dict)  # the id, by phone number

    def dialled(self, phone: str, session: str) -> str:
        """The first screen of a session: what the newest one has left open, or the start menu."""
        left = self._sessions.get(self._newest.get(phone, ""), _Session())
        ended = self.database.sessions[phone] in _OVER
        self._sessions[session] = _Session() if ended or left.state in _OVER else left
        self._newest[phone] = session
        return self._shown(phone, session)

    def typed(self, phone: str, session: str, text: str) -> str:
        """The screen after an input, which may come late: when others have been dialled since."""
        held = self._sessions.setdefault(session, _Session())
        self._sessions[session] = self._next(self.database.accounts[phone], held, text)
        return self._shown(phone, session)

    def left(self, phone: str, session: str) -> None:
        """It is left by a 0."""
        self._sessions[session] = _Session(_EXIT)
        self._newest.setdefault(phone, session)

    def _next(self, account: Account, held: _Session, text: str) -> _Session:
        if held.state == _START:
            return _Session({"1": _RECIPIENT}.get(text, _HELP))
        if held.state == _RECIPIENT:
            return _Session(_AMOUNT, text) if text in self.database.accounts else _Session(_NOBODY)
        if held.state == _AMOUNT and text.lstrip("+").isdigit():
            enough = float(text) <= self._available(account)
            return replace(held, state=_PIN if enough else _SHORT, amount=float(text))
        if held.state == _PIN:
            return self._authorized(account, held, text)
        return _Session(_EXIT) if text == "99" else held

    def _authorized(self, account: Account, held: _Session, pin: str) -> _Session:
        if held.wrong == _ATTEMPTS or not bcrypt.checkpw(pin.encode(), str(account.password_hash).encode()):
            return replace(held, wrong=min(_ATTEMPTS, held.wrong + 1))
        payee = self.database.accounts[held.payee]
        self.request(account.address, payee.address, int(held.amount * _UNIT))
        return replace(held, state=_PAID)

    def _shown(self, phone: str, session: str) -> str:
        account, held = self.database.accounts[phone], self._sessions[session]
        if self._newest.get(phone) == session:
            self.database.sessions[phone] = held.state
        to, amount = f"A B {held.payee}", f"{held.amount} GFT"
        if held.wrong:
            left = _ATTEMPTS - held.wrong
            return f"CON Incorrect PIN entered, please try again.You have {left} attempts remaining.\n0. Back"
        return {
            _START: f"CON Balance {self._available(account)} GFT\n1. Send\n2. My Sarafu\n3. My Account\n4. Help",
            _HELP: "CON For assistance call 0757628885\n00. Back\n99. Exit",
            _RECIPIENT: "CON Enter phone number\n0. Back",
            _NOBODY: "CON Recipient's phone number is not registered or is invalid:\n00. Retry\n99. Exit",
            _AMOUNT: f"CON Maximum: {self._available(account)} GFT\nEnter amount\n0. Back",
            _PIN: f"CON {to} will receive {amount} from {phone}.\nPlease enter your PIN to confirm.\n0. Back",
            _PAID: f"CON Your request has been sent. {to} will receive {amount} from {phone}.\n00. Back\n99. Exit",
            _SHORT: f"CON Payment of {amount} to {held.payee} has failed due to insufficient balance\n"
            f"Balance: {self._available(account)}\n00. Back\n99. Exit",
            _EXIT: "END Thank you for using the service.",
        }[held.state]

    def _available(self, account: Account) -> float:
        """What the chain says, less what the engine is about to send: that is how cic-ussd counts."""
        return (self.chain.state().balance(account.address) - self.engine.sending(account.address)) / _UNIT
