"""What the menus' rules do. Source: cic-ussd, ``state_machine/logic``, down to the inputs on which it fails."""

import uuid
from typing import Any

from cicscenario.people import pointer
from cicscenario.sandbox.ussd.accounts import UssdStatus, international_form
from cicscenario.sandbox.ussd.conditions import amount
from cicscenario.sandbox.ussd.machine import NoTransitionError, Turn
from cicscenario.sandbox.ussd.menus import OLD, SUPPORT_PHONE
from cicscenario.sandbox.ussd.parts import Parts, WithParts

_GENDERS = {"1": "male", "2": "female", "3": "other"}
_OLD_LANGUAGES = {"1": "en", "2": "sw"}
_FIELDS = {
    "enter_given_name": "given_name", "enter_family_name": "family_name", "enter_gender": "gender",
    "enter_date_of_birth": "date_of_birth", "enter_location": "location", "enter_products": "products",
}  # fmt: skip


class CurrentActions(WithParts):
    """The actions since 2022, as methods with the names that the rules use."""

    def request_account(self, turn: Turn) -> None:
        self.create_account(turn, turn.session.msisdn, self._menus.chosen_language(turn.text))

    def create_account(self, turn: Turn, phone: str, language: str) -> None:
        """Asks the custodial engine for an account."""
        turn.task = str(uuid.uuid4())
        # Stored before the engine gets the task. cic-ussd stores it after, and may miss a fast report.
        self._cache.start_creation(turn.task, phone)
        self._engine.create_account(turn.task, language)

    def change_language(self, turn: Turn) -> None:
        self._write_language(turn, self._menus.chosen_language(turn.text))

    def _write_language(self, turn: Turn, language: str | None) -> None:
        place = pointer.preferences(turn.require_account().raw_address)
        self._metadata.write(place, {"preferred_language": language})
        turn.has_written_metadata = True

    def keep_pin(self, turn: Turn) -> None:
        turn.remember(initial_pin=turn.text)

    def set_pin(self, turn: Turn) -> None:
        turn.require_account().password_hash = self._pins.hash(turn.data["initial_pin"])

    def activate(self, turn: Turn) -> None:
        self.set_pin(turn)
        self._activate(turn)

    def _activate(self, turn: Turn) -> None:
        account = turn.require_account()
        account.status = UssdStatus.ACTIVE
        account.failed_pin_attempts = 0

    def keep_profile_field(self, turn: Turn) -> None:
        field, value = _FIELDS[turn.session.state], turn.text
        if field == "gender":
            language = self._cache.language(turn.require_account().raw_address)
            value = self._menus.word(_GENDERS[turn.text], language)
        turn.remember(**{field: value})

    def write_profile(self, turn: Turn) -> None:
        account = turn.require_account()
        self._write_person(turn, self._profiles.document(account, turn.data))

    def change_profile(self, turn: Turn) -> None:
        self._write_person(turn, self._profiles.changed(turn.require_account(), turn.data))

    def _write_person(self, turn: Turn, document: dict[str, Any]) -> None:
        self._metadata.write(pointer.person(turn.require_account().raw_address), document)
        turn.has_written_metadata = True

    def keep_guardian(self, turn: Turn) -> None:
        turn.remember(guardian_phone_number=turn.text.replace(" ", ""))

    def keep_guarded(self, turn: Turn) -> None:
        turn.remember(guarded_account_phone_number=turn.text.replace(" ", ""))

    def read_profile_of_number(self, turn: Turn) -> None:
        account = self._accounts.find(turn.text)
        if account is None:
            raise NoTransitionError("cic-ussd fails for a number that is not registered")
        self._metadata.refresh_person(account.raw_address)

    def add_guardian(self, turn: Turn) -> None:
        account, phone = turn.require_account(), turn.data["guardian_phone_number"]
        # From the second one on, cic-ussd passes a list to a column of text: PostgreSQL stores "{first,second}".
        account.guardians = [*account.guardian_phones, phone] if account.guardians else phone

    def remove_guardian(self, turn: Turn) -> None:
        account = turn.require_account()
        phones = list(account.guardian_phones)
        phones.remove(turn.data["guardian_phone_number"])  # fails for a number in another form than stored, as cic-ussd
        account.guardians = ",".join(phones)

    def reset_pin_of_guarded(self, turn: Turn) -> None:
        asked = (turn.data.get("quorum_count") or 0) + 1
        turn.remember(quorum_count=asked)
        guarded = self._accounts.find(turn.data["guarded_account_phone_number"])
        if guarded is None:
            raise NoTransitionError("cic-ussd fails for a number that is not registered")
        if asked < guarded.guardian_quora:
            return
        guarded.failed_pin_attempts = 0
        guarded.status = UssdStatus.RESET
        turn.others.append(guarded)
        turn.remember(quorum_count=0)
        language = self._cache.language(guarded.raw_address)
        name = self._profiles.name(turn.require_account())
        text = self._menus.message("pin_reset_initiated", language, {"pin_initiator": name})
        self._engine.send_message(guarded.phone, text)

    def keep_token(self, turn: Turn) -> None:
        tokens = turn.data["account_tokens_list"]
        try:
            token = tokens[int(turn.text) - 1]
        except ValueError:
            token = next(token for token in tokens if token["symbol"] == turn.text.upper())
        turn.remember(selected_token=token)

    def use_token(self, turn: Turn) -> None:
        self._cache.set_active_token(turn.require_account().raw_address, turn.data["selected_token"]["symbol"])

    def keep_recipient(self, turn: Turn) -> None:
        turn.remember(recipient_phone_number=turn.text.replace(" ", ""))

    def invite_number(self, turn: Turn) -> None:
        phone = international_form(turn.text)
        account = turn.require_account()
        values = {
            "tx_sender_information": self._profiles.name(account),
            "token_symbol": self._wallet.symbol(account.raw_address),
            "support_phone": SUPPORT_PHONE,
        }
        language = self._cache.language(account.raw_address)
        self._engine.send_message(phone, self._menus.message("upsell_unregistered_recipient", language, values))

    def keep_amount(self, turn: Turn) -> None:
        turn.remember(transaction_amount=amount(turn.text))

    def transfer(self, turn: Turn) -> None:
        account = turn.require_account()
        recipient = self._accounts.find(turn.data["recipient_phone_number"])
        if recipient is None:
            raise NoTransitionError("cic-ussd fails for a number that is not registered")
        units = self._wallet.units(account.raw_address, self._amount(turn.data["transaction_amount"]))
        self._engine.transfer(account.address, recipient.address, units, self._wallet.symbol(account.raw_address))

    def _amount(self, kept: Any) -> Any:
        return kept


class OldActions(CurrentActions):
    """The actions of 2021, where they differ."""

    def change_language(self, turn: Turn) -> None:
        language = _OLD_LANGUAGES[turn.text]
        turn.require_account().preferred_language = language
        self._write_language(turn, language)

    def keep_pin(self, turn: Turn) -> None:
        turn.remember(initial_pin=self._pins.hash(turn.text))

    def change_profile(self, turn: Turn) -> None:
        if not turn.data:
            raise NoTransitionError("cic-ussd fails for a session without data")
        super().change_profile(turn)

    def set_pin(self, turn: Turn) -> None:
        turn.require_account().password_hash = turn.data["initial_pin"]

    def activate(self, turn: Turn) -> None:
        self._activate(turn)

    def keep_recipient(self, turn: Turn) -> None:
        turn.remember(recipient_phone_number=international_form(turn.text))

    def read_profile_of_number(self, turn: Turn) -> None:
        account = self._accounts.find(international_form(turn.text))
        if account is None:
            raise NoTransitionError("cic-ussd fails for a number that is not registered")
        self._metadata.refresh_person(account.raw_address)

    def invite_number(self, turn: Turn) -> None:
        # It goes to whatever workers send messages, and there are none. Without earlier data in the session it fails.
        if "recipient_phone_number" not in turn.data:
            raise NoTransitionError("cic-ussd does not find the number that it has just stored")

    def keep_amount(self, turn: Turn) -> None:
        turn.remember(transaction_amount=turn.text)

    def _amount(self, kept: Any) -> int:
        return int(kept)


def actions(dialect: str, parts: Parts) -> CurrentActions:
    """The actions of a dialect."""
    return (OldActions if dialect == OLD else CurrentActions)(parts)
