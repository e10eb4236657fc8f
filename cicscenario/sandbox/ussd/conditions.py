"""The conditions in the menus' rules. Source: cic-ussd, ``state_machine/logic``, down to the inputs on which it fails."""

import logging
import re
from math import floor

import phonenumbers

from cicscenario.sandbox.ussd.accounts import UssdAccount, international_form
from cicscenario.sandbox.ussd.machine import NoTransitionError, Turn
from cicscenario.sandbox.ussd.menus import OLD, SUPPORT_PHONE
from cicscenario.sandbox.ussd.parts import Parts, WithParts

_log = logging.getLogger(__name__)

_SYSTEM_GUARDIANS = (international_form(SUPPORT_PHONE),)  # cic-ussd has a file of them
_PAGING = ("00", "11", "22")
_MOST_PLACES = 8


class CurrentConditions(WithParts):
    """The conditions since 2022, as methods with the names that the rules use."""

    def is_language_choice(self, turn: Turn) -> bool:
        return turn.text not in _PAGING and self._menus.offers(turn.text)

    def is_pin(self, turn: Turn) -> bool:
        return bool(re.match(r"^\d{4}$", turn.text))

    def is_same_pin(self, turn: Turn) -> bool:
        return bool(turn.text == turn.data.get("initial_pin"))

    def is_new_pin(self, turn: Turn) -> bool:
        is_old = self._pins.matches(turn.text, turn.require_account().password_hash)
        return self.is_pin(turn) and not is_old

    def pin_is_right(self, turn: Turn) -> bool:
        account = turn.require_account()
        if self._pins.matches(turn.text, account.password_hash):
            self._forget_failures(account)
            return True
        account.failed_pin_attempts += 1
        return False

    def _forget_failures(self, account: UssdAccount) -> None:
        account.failed_pin_attempts = 0

    def is_locked(self, turn: Turn) -> bool:
        return turn.require_account().lock_if_exhausted()

    def missing_function(self, turn: Turn) -> bool:
        raise NoTransitionError("cic-ussd's rules name a function that it does not have")

    def has_profile(self, turn: Turn) -> bool:
        return self._profiles.is_known(turn.require_account())

    def is_year(self, turn: Turn) -> bool:
        return len(turn.text) == 4 and int(turn.text) >= 1900

    def is_gender_choice(self, turn: Turn) -> bool:
        return bool(re.match("^[1-3]$", turn.text))

    def is_token_choice(self, turn: Turn) -> bool:
        tokens = turn.data.get("account_tokens_list")
        if not tokens:
            raise NoTransitionError("the list of tokens is not in the session; cic-ussd waits 15 seconds for it")
        if turn.text in _PAGING:
            return False
        try:
            return int(turn.text) <= len(tokens)
        except ValueError:
            return any(token["symbol"] == turn.text.upper() for token in tokens)

    def is_recipient(self, turn: Turn) -> bool:
        is_present = self._accounts.find(turn.text.replace(" ", "")) is not None
        return is_present and turn.text != turn.require_account().phone

    def is_amount(self, turn: Turn) -> bool:
        return amount(turn.text) > 0

    def is_affordable(self, turn: Turn) -> bool:
        address = turn.require_account().raw_address
        spendable = self._cache.spendable(address, self._wallet.symbol(address))
        return amount(turn.text) <= float(spendable)  # type: ignore[arg-type]  # fails without a balance, as cic-ussd

    def can_be_guardian(self, turn: Turn) -> bool:
        account, phone = turn.require_account(), turn.text.replace(" ", "")
        is_registered = self._accounts.find(phone) is not None
        is_caller = phone == account.phone
        is_guardian = phone in account.guardian_phones or phone in _SYSTEM_GUARDIANS
        self._fail(
            turn,
            {
                "error.no_matching_account": not is_registered,
                "error.is_initiator": is_caller,
                "error.is_existent_guardian": is_guardian,
            },
        )
        return is_registered and not is_guardian and not is_caller

    def is_own_guardian(self, turn: Turn) -> bool:
        return self._is_guardian(turn, turn.require_account(), turn.text)

    def is_guarded_by_caller(self, turn: Turn) -> bool:
        return self._is_guardian(turn, self._accounts.find(turn.text), turn.require_account().phone)

    def _is_guardian(self, turn: Turn, guarded: UssdAccount | None, phone: str) -> bool:
        guardians: list[str | None] = list(guarded.guardian_phones) if guarded else []
        international = None
        for guardian in guardians:  # only the last one is compared in its international form, too
            international = international_form(str(guardian))
        guardians.append(international)
        is_guardian = phone in guardians or international_form(phone) in guardians
        if guarded is None:
            raise NoTransitionError("cic-ussd fails for a number that is not registered")
        is_caller = phone == guarded.phone
        self._fail(turn, {"error.is_not_existent_guardian": not is_guardian, "error.is_initiator": is_caller})
        return (is_guardian or phone in _SYSTEM_GUARDIANS) and not is_caller

    def _fail(self, turn: Turn, reasons: dict[str, bool]) -> None:
        """Keeps the last reason that holds for the next screen."""
        found = [reason for reason, holds in reasons.items() if holds]
        if found:
            language = self._cache.language(turn.require_account().raw_address)
            turn.remember(failure_reason=self._menus.word(found[-1], language))


class OldConditions(CurrentConditions):
    """The conditions of 2021, where they differ."""

    def is_same_pin(self, turn: Turn) -> bool:
        is_same = self._pins.matches(turn.text, turn.data.get("initial_pin"))
        if not is_same and turn.session.state == "initial_pin_confirmation":
            raise NoTransitionError("the PIN is not the one entered before")  # as recorded
        return is_same

    def _forget_failures(self, account: UssdAccount) -> None:
        """Failed attempts stay counted after a right PIN."""

    def is_recipient(self, turn: Turn) -> bool:
        try:
            phone = international_form(turn.text)
        except phonenumbers.NumberParseException:
            return False
        return phone != turn.require_account().phone and self._accounts.find(phone) is not None

    def is_amount(self, turn: Turn) -> bool:
        try:
            return int(turn.text) > 0
        except ValueError:
            return False

    def is_affordable(self, turn: Turn) -> bool:
        return bool(int(turn.text) <= self._wallet.balance(turn.require_account().raw_address))


def amount(text: str) -> float:
    """A number that was entered, cut to two decimal places. Raises ValueError, or AssertionError for too many places."""
    places = text[::-1].find(".")
    number = float(text)
    if places > _MOST_PLACES:
        raise ValueError("too many decimal places")
    return number if places <= 2 else floor(number * 100) / 100


def conditions(dialect: str, parts: Parts) -> CurrentConditions:
    """The conditions of a dialect."""
    return (OldConditions if dialect == OLD else CurrentConditions)(parts)
