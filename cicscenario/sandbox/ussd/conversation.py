"""Answers one request of a phone: from the form fields to the text on the screen."""

import re
from dataclasses import dataclass

from cicscenario.sandbox.ussd.accounts import MOST_ATTEMPTS, Session, UssdAccount, UssdStatus
from cicscenario.sandbox.ussd.actions import actions
from cicscenario.sandbox.ussd.conditions import conditions
from cicscenario.sandbox.ussd.machine import StateMachine, Turn
from cicscenario.sandbox.ussd.menus import OLD
from cicscenario.sandbox.ussd.parts import Parts
from cicscenario.sandbox.ussd.screens import screens
from cicscenario.sandbox.ussd.wallet import NoScreenError


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


class Conversation:
    """Answers requests. Not thread-safe: the caller must pass one request at a time."""

    def __init__(self, dialect: str, parts: Parts) -> None:
        done = actions(dialect, parts)
        self._is_old = dialect == OLD
        self._menus = parts.menus
        self._machine = StateMachine(parts.menus, conditions(dialect, parts), done)
        self._screens = screens(dialect, parts)
        self._accounts = parts.accounts
        self._cache = parts.cache
        self._metadata = parts.metadata
        self._create_account = done.create_account

    def answer(self, call: UssdRequest) -> str:
        """The text for the screen. Raises an exception, of any kind, where cic-ussd fails."""
        account = self._accounts.find(call.phone)
        session = self._accounts.session(call.session_id) if self._is_old else self._cache.session(call.session_id)
        if account is None:
            return self._answer_unknown(call, session)
        address = account.raw_address
        is_new = session is None
        if session is None:
            session = Session(call.session_id, call.service_code, account.phone, call.text, "", {}, 0)
        turn = Turn(call.last_input, session, account, self._save)
        try:
            return self._answer_known(call, turn, account, is_new=is_new)
        finally:
            # cic-ussd starts reading the metadata before it handles the request, and has it only afterwards. So it does
            # not read what the request itself writes.
            if not turn.has_written_metadata:
                self._metadata.refresh(address)

    def _save(self, session: Session) -> None:
        self._cache.save_session(session)
        if self._is_old:
            self._accounts.save(session, [], None)

    def _answer_unknown(self, call: UssdRequest, session: Session | None) -> str:
        has_begun = session is not None
        if session is None:
            session = Session(call.session_id, call.service_code, call.phone, call.text, "", {}, 0)
        turn = Turn(call.last_input, session, None, self._save)
        if self._is_old:
            self._create_account(turn, call.phone, "")
            state = "account_creation_prompt"
        elif has_begun and call.text:
            state = self._machine.next_state(turn)
        else:
            state = "initial_language_selection"
        self._enter(turn, call, state)
        self._accounts.save(turn.session, [], turn.task)
        return self._screens.text(turn)

    def _answer_known(self, call: UssdRequest, turn: Turn, account: UssdAccount, *, is_new: bool) -> str:
        if is_new:
            last = self._accounts.last_session(account.phone)
            state = self._first_state(account, last)
            if last and (self._is_old or last.state == state):
                turn.session.data = last.data
        elif not call.last_input:
            state = "exit_invalid_input"
        elif call.last_input == "0":
            state = self._menus.parent(turn.session.state)
        else:
            state = self._machine.next_state(turn)
        self._enter(turn, call, state)
        screen = self._screens.text(turn)
        if not re.match("CON|END", screen):
            raise NoScreenError("the text neither continues nor ends the session")
        self._accounts.save(turn.session, [account, *turn.others], turn.task)
        return screen

    def _enter(self, turn: Turn, call: UssdRequest, state: str) -> None:
        turn.session.user_input, turn.session.state = call.text, state
        turn.session.version += 1
        turn.data = dict(turn.session.data)
        self._cache.save_session(turn.session)

    def _first_state(self, account: UssdAccount, last: Session | None) -> str:
        """The first state of a registered number's new session."""
        account.lock_if_exhausted()
        excess = account.failed_pin_attempts - MOST_ATTEMPTS
        if excess == 0 or (excess > 0 and not self._is_old):
            return "exit_pin_blocked"
        if account.status == UssdStatus.ACTIVE and account.password_hash is not None:
            if last is None:
                raise NoScreenError("an account with a PIN, but without a session")
            return "start" if last.state in self._menus.starts_over_after else self._menus.known(last.state)
        if self._is_old and self._cache.language(account.raw_address) is None:
            return "initial_language_selection"
        return "initial_pin_entry"
