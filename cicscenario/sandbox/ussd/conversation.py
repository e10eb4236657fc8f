"""Answers one request of a phone: from the form fields to the text on the screen."""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import phonenumbers

from cicscenario.sandbox.ussd.accounts import Session, UssdAccount, UssdAccounts, UssdStatus
from cicscenario.sandbox.ussd.cache import Cache
from cicscenario.sandbox.ussd.engine import AccountCreator
from cicscenario.sandbox.ussd.machine import MOST_ATTEMPTS, PARENTS, StateMachine, Turn, lock_if_exhausted
from cicscenario.sandbox.ussd.menus import OLD, Menus
from cicscenario.sandbox.ussd.screens import NoScreenError, Preferences, Screens, raw_address

_REGION = "KE"
#: States in which a conversation has ended: the next session begins at the start menu. Source: cic-ussd.
_NOT_RESUMED = {
    "account_creation_prompt", "exit", "exit_invalid_pin", "exit_invalid_new_pin", "exit_invalid_recipient",
    "exit_invalid_request", "exit_pin_blocked", "exit_pin_mismatch", "exit_successful_transaction",
    "exit_guardian_addition_success", "exit_guardian_removal_success", "exit_pin_reset_initiated_success",
    "exit_not_authorized_for_pin_reset", "exit_successful_token_selection",
}  # fmt: skip


@dataclass(frozen=True)
class UssdRequest:
    """The form fields of a request; ``text`` has all inputs of this session, or only the last one."""

    session_id: str
    service_code: str
    phone: str
    text: str

    @property
    def last_input(self) -> str:
        return self.text.split("*")[-1]


@dataclass
class _Creation:
    """Requests the creation of an account, at most one in each phone request; ``task`` is its task id."""

    begin: Callable[[str, str], None]
    task: str | None = field(default=None)

    def __call__(self, language: str) -> None:
        self.task = str(uuid.uuid4())
        self.begin(self.task, language)


class Conversation:
    """Answers requests. Not thread-safe: the caller must pass one request at a time."""

    def __init__(
        self, dialect: str, menus: Menus, machine: StateMachine, screens: Screens, accounts: UssdAccounts, cache: Cache,
        engine: AccountCreator, preferences: Preferences,
    ) -> None:  # fmt: skip
        self._is_old = dialect == OLD
        self._menus = menus
        self._machine = machine
        self._screens = screens
        self._accounts = accounts
        self._cache = cache
        self._engine = engine
        self._preferences = preferences

    def answer(self, call: UssdRequest) -> str:
        """The text for the screen. Raises an exception, of any kind, where cic-ussd fails."""
        account = self._find(call.phone)
        if account is None:
            return self._answer_unknown(call)
        address = raw_address(account)
        try:
            return self._answer_known(call, account)
        finally:
            # cic-ussd starts reading the preferences before it handles the request, and has them only afterwards. So it
            # does not read a language that the request itself writes.
            if "preferred_language" not in account.changes():
                self._preferences.refresh(address)

    def _find(self, phone: str) -> UssdAccount | None:
        try:
            international: str | None = international_form(phone)
        except phonenumbers.NumberParseException:
            international = None
        account = self._accounts.find(phone, international)
        if account is None and international is None:
            raise NoScreenError("this phone number is not valid in any country")
        return account

    def _creation(self, phone: str) -> _Creation:
        def begin(task: str, language: str) -> None:
            # Stored before the engine gets the task. cic-ussd stores it after, and may miss a fast report.
            self._cache.start_creation(task, phone)
            self._engine.create_account(task, language)

        return _Creation(begin)

    def _turn(self, call: UssdRequest, session: Session, account: UssdAccount | None, creation: _Creation) -> Turn:
        def set_language(owner: UssdAccount, language: str) -> None:
            self._preferences.write(raw_address(owner), language)

        return Turn(call.last_input, session, account, creation, set_language)

    def _answer_unknown(self, call: UssdRequest) -> str:
        creation = self._creation(call.phone)
        session = self._session(call.session_id)
        if self._is_old:
            creation("")
            state = "account_creation_prompt"
        elif session is not None and call.text:
            state = self._machine.next_state(self._turn(call, session, None, creation))
        else:
            state = "initial_language_selection"
        session = self._next_session(session, call, call.phone, state, {})
        self._cache.save_session(session)
        self._accounts.save(session, None, creation.task)
        return self._screens.text(session, None)

    def _answer_known(self, call: UssdRequest, account: UssdAccount) -> str:
        creation = self._creation(account.phone)
        session = self._session(call.session_id)
        data: dict[str, Any] = {}
        if session is None:
            last = self._accounts.last_session(account.phone)
            state = self._first_state(account, last)
            if last and (self._is_old or last.state == state):
                data = last.data
        elif not call.last_input:
            state = "exit_invalid_input"
        elif call.last_input == "0":
            state = PARENTS.get(session.state, "exit_invalid_request")
        else:
            state = self._machine.next_state(self._turn(call, session, account, creation))
        session = self._next_session(session, call, account.phone, state, data)
        self._cache.save_session(session)
        screen = self._screens.text(session, account)
        if not re.match("CON|END", screen):
            raise NoScreenError("the text neither continues nor ends the session")
        self._accounts.save(session, account, creation.task)
        return screen

    def _session(self, session_id: str) -> Session | None:
        return self._accounts.session(session_id) if self._is_old else self._cache.session(session_id)

    def _first_state(self, account: UssdAccount, last: Session | None) -> str:
        """The first state of a registered number's new session."""
        lock_if_exhausted(account)
        excess = account.failed_pin_attempts - MOST_ATTEMPTS
        if excess == 0 or (excess > 0 and not self._is_old):
            return "exit_pin_blocked"
        if account.status == UssdStatus.ACTIVE and account.password_hash is not None:
            if last is None:
                raise NoScreenError("an account with a PIN, but without a session")
            if last.state in _NOT_RESUMED:
                return "start"
            return last.state if last.state in self._menus else "exit_invalid_request"
        if self._is_old and self._cache.language(raw_address(account)) is None:
            return "initial_language_selection"
        return "initial_pin_entry"

    def _next_session(
        self, session: Session | None, call: UssdRequest, phone: str, state: str, data: dict[str, Any]
    ) -> Session:
        if session is None:
            return Session(call.session_id, call.service_code, phone, call.text, state, data, 1)
        session.user_input, session.state = call.text, state
        session.version += 1
        return session


def international_form(phone: str) -> str:
    """A number as dialled in Kenya, in E.164 form. Raises NumberParseException when it is not a phone number."""
    return phonenumbers.format_number(phonenumbers.parse(phone, _REGION), phonenumbers.PhoneNumberFormat.E164)
