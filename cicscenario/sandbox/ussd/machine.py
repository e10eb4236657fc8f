"""The state machine: the next state for each input, by the rules of the menus."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cicscenario.sandbox.ussd.accounts import Session, UssdAccount
from cicscenario.sandbox.ussd.menus import Menus


class NoTransitionError(Exception):
    """This state has no transition for the input: cic-ussd's state machine fails."""


@dataclass
class Turn:
    """One input to a session. ``account`` is None for an unregistered number. Conditions and actions change both."""

    text: str
    session: Session
    account: UssdAccount | None
    save: Callable[[Session], None]  #: stores the session in the middle of a request, as cic-ussd does
    task: str | None = None  #: task id of an account that this input has requested
    others: list[UssdAccount] = field(default_factory=list)  #: other people's accounts that this input has changed
    has_written_metadata: bool = False  #: about the caller
    data: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        #: The session's data as the actions of this input see it.
        self.data = dict(self.session.data)

    def require_account(self) -> UssdAccount:
        if self.account is None:
            raise NoTransitionError("this state is only for a registered number")
        return self.account

    def remember(self, **values: Any) -> None:
        """Adds values to the session's data. As in cic-ussd, actions that follow see them only if there were some before."""
        if self.data:
            self.data.update(values)
        self.session.data = {**self.session.data, **values}
        self.session.version += 1
        self.save(self.session)


class StateMachine:
    """The state machine of one dialect. ``conditions`` and ``actions`` have a method for each name in the rules."""

    def __init__(self, menus: Menus, conditions: object, actions: object) -> None:
        self._menus = menus
        rules = [rule for state in menus.states.values() for rule in state.rules]
        self._conditions: dict[str, Callable[[Turn], bool]] = {
            name: getattr(conditions, name) for rule in rules for name in (*rule.conditions, *rule.exceptions)
        }
        self._actions: dict[str, Callable[[Turn], None]] = {
            name: getattr(actions, name) for rule in rules for name in rule.actions
        }

    def next_state(self, turn: Turn) -> str:
        """The state after an input. Raises NoTransitionError, or the error with which cic-ussd fails, such as ValueError."""
        state = turn.session.state
        known = self._menus.states.get(state)
        if known is None or not known.rules:
            raise NoTransitionError(f"nothing can be entered in state {state}")
        for rule in known.rules:
            if rule.input is not None and rule.input != turn.text:
                continue
            if not all(self._conditions[name](turn) for name in rule.conditions):
                continue
            if any(self._conditions[name](turn) for name in rule.exceptions):
                continue
            if rule.next not in self._menus:
                raise NoTransitionError(f"cic-ussd has no state {rule.next}")
            for name in rule.actions:
                self._actions[name](turn)
            return rule.next
        return state
