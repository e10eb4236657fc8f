"""The screen of a state: its text in the person's language, with names, amounts and lists filled in."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from cicscenario.sandbox.ussd.accounts import MOST_ATTEMPTS, UssdAccount
from cicscenario.sandbox.ussd.machine import Turn
from cicscenario.sandbox.ussd.menus import OLD, PAGE, PAGES, RETRY
from cicscenario.sandbox.ussd.parts import Parts, WithParts
from cicscenario.sandbox.ussd.statements import current_lines, old_lines
from cicscenario.sandbox.ussd.wallet import NoScreenError, OldWallet

_MOST_GUARDIANS = 3


class CurrentScreens(WithParts):
    """The screens since 2022. A method for each kind of values in the menus gives the values for the placeholders."""

    def text(self, turn: Turn) -> str:
        """The screen of a session. Raises NoScreenError or another exception where cic-ussd fails."""
        state = self._menus.states[turn.session.state]
        values = self.values(state.shows, turn, state.page) if state.shows else {}
        screen = turn.session.state
        if state.shows == "balance":
            screen = self.balance_screen
        language = self._language(turn)
        text = self._menus.text(screen, language, values)
        if state.asks_pin and turn.account and turn.account.failed_pin_attempts:
            remaining = MOST_ATTEMPTS - turn.account.failed_pin_attempts
            return self._menus.text(RETRY, language, {"remaining_attempts": remaining})
        return text

    balance_screen = "account_balances.available_balance"

    def values(self, kind: str, turn: Turn, page: int) -> Mapping[str, Any]:
        """The values of a kind; ``page`` counts from 0."""
        if kind in ("support", "languages", "chosen_language"):
            return {}  # the same for everybody
        if turn.account is None:
            raise NoScreenError("this screen is only for a registered number")
        if kind in ("tokens", "statement"):
            return getattr(self, f"_{kind}")(turn, turn.account, page)  # type: ignore[no-any-return]
        return getattr(self, f"_{kind}")(turn, turn.account)  # type: ignore[no-any-return]

    def _language(self, turn: Turn) -> str | None:
        if self._menus.states[turn.session.state].shows == "chosen_language":
            return self._menus.chosen_language(turn.session.user_input.split("*")[-1])
        return self._cache.language(turn.account.raw_address) if turn.account else None

    def _paged(self, name: str, page: int, lines: Sequence[str], otherwise: str, turn: Turn) -> dict[str, str]:
        shown = "\n".join(lines[page * PAGE : (page + 1) * PAGE])
        language = self._language(turn)
        return {f"{PAGES[page]}_{name}": shown.rstrip("\n") if shown else self._menus.word(otherwise, language)}

    def _name(self, phone: Any) -> str:
        account = self._accounts.find(phone)
        if account is None:
            raise NoScreenError("a number in the session is not registered any more")
        return self._profiles.name(account)

    def _start(self, turn: Turn, account: UssdAccount) -> dict[str, Any]:
        address = account.raw_address
        self._wallet.refresh(address)
        self._engine.request_statement(account.address)
        # cic-ussd needs so long for this screen that the preferences it asked for at the beginning have arrived.
        self._metadata.refresh_now(address)
        return {"account_balance": self._wallet.balance(address), "account_token_name": self._wallet.symbol(address)}

    def _balance(self, turn: Turn, account: UssdAccount) -> dict[str, Any]:
        address = account.raw_address
        return {"available_balance": self._wallet.balance(address), "token_symbol": self._wallet.symbol(address)}

    def _spendable(self, turn: Turn, account: UssdAccount) -> dict[str, Any]:
        symbol = self._wallet.symbol(account.raw_address)
        return {"spendable_amount": f"{self._cache.spendable(account.raw_address, symbol)} {symbol}"}

    def _transfer(self, turn: Turn, account: UssdAccount) -> dict[str, Any]:
        data = turn.session.data
        return {
            "recipient_information": self._name(data.get("recipient_phone_number")),
            "transaction_amount": self.amount(data.get("transaction_amount")),
            "token_symbol": self._wallet.symbol(account.raw_address),
            "sender_information": self._profiles.name(account),
        }

    def amount(self, kept: Any) -> Any:
        """An amount in the session's data as it is shown."""
        return kept

    def _shortfall(self, turn: Turn, account: UssdAccount) -> dict[str, Any]:
        data = turn.session.data
        return {
            "amount": self.amount(data.get("transaction_amount")),
            "token_symbol": self._wallet.symbol(account.raw_address),
            "recipient_information": self._name(data.get("recipient_phone_number")),
            "token_balance": self._wallet.balance(account.raw_address),
        }

    def _tokens(self, turn: Turn, account: UssdAccount, page: int) -> dict[str, str]:
        tokens = self._cache.listed_tokens(account.raw_address)
        if tokens is None:
            raise NoScreenError("the list of tokens is made at the start menu")
        lines = [f"{number}. {token['symbol']} {token['balance']}" for number, token in enumerate(tokens, 1)]
        values = self._paged("account_tokens_set", page, lines, "no_tokens_list", turn)
        turn.remember(account_tokens_list=tokens)
        return values

    def _token_details(self, turn: Turn, account: UssdAccount) -> dict[str, str]:
        token = turn.session.data["selected_token"]
        lines = (f"{token['name']} ({token['symbol']})", token["issuer"], token["contact"], token["location"])
        return {"token_data": "".join(f"{line}\n" for line in lines)}

    def _token_symbol(self, turn: Turn, account: UssdAccount) -> dict[str, str]:
        return {"token_symbol": turn.session.data["selected_token"]["symbol"]}

    def _statement(self, turn: Turn, account: UssdAccount, page: int) -> dict[str, str]:
        lines = current_lines(self._cache.statement(account.raw_address) or [])
        return self._paged("transaction_set", page, lines, "no_transaction_history", turn)

    def _profile(self, turn: Turn, account: UssdAccount) -> dict[str, Any]:
        absent = self._menus.word("not_provided", self._language(turn))
        document = self._document(account)
        if document is not None:
            return self._profiles.shown(document, absent)
        return dict.fromkeys(("full_name", "gender", "age", "location", "products"), absent)

    def _document(self, account: UssdAccount) -> Any:
        return self._cache.person(account.raw_address)

    def _guardian(self, turn: Turn, account: UssdAccount) -> dict[str, str]:
        return {"guardian_information": self._name(turn.session.data.get("guardian_phone_number"))}

    def _guarded(self, turn: Turn, account: UssdAccount) -> dict[str, str]:
        return {"guarded_account_information": self._name(turn.session.data.get("guarded_account_phone_number"))}

    def _guardians(self, turn: Turn, account: UssdAccount) -> dict[str, str]:
        language = self._language(turn)
        names = [self._name(phone) for phone in account.guardian_phones[:_MOST_GUARDIANS]]
        if not names:
            return {"guardians_list": self._menus.word("no_guardians_list", language)}
        header = self._menus.word("guardians_list_header", language)
        return {"guardians_list": "".join(f"{line}\n" for line in (header, *names))}

    def _failure(self, turn: Turn, account: UssdAccount) -> dict[str, Any]:
        return {"error_exit": turn.session.data.get("failure_reason")}


class OldScreens(CurrentScreens):
    """The screens of 2021, where they differ."""

    balance_screen = "account_balances"

    def __init__(self, parts: Parts, clock: Callable[[], datetime] = datetime.now) -> None:
        super().__init__(parts)
        assert isinstance(parts.wallet, OldWallet)
        self._clock = clock
        self._old_wallet = parts.wallet

    def amount(self, kept: Any) -> Any:
        return self._old_wallet.shown(self._old_wallet.units(b"", int(kept)))

    def _balance(self, turn: Turn, account: UssdAccount) -> dict[str, Any]:
        return super()._balance(turn, account) | {"tax": "", "bonus": ""}

    def _statement(self, turn: Turn, account: UssdAccount, page: int) -> dict[str, str]:
        statement = self._cache.statement(account.raw_address)
        if statement is None:
            raise NoScreenError("there is no statement yet")
        lines = old_lines(statement, self._old_wallet.shown, self._clock())[page * PAGE : (page + 1) * PAGE]
        return {f"{PAGES[page]}_transaction_set": "".join(f"{line}\n" for line in lines) or "[]"}

    def _document(self, account: UssdAccount) -> Any:
        # cic-ussd looks under the address without its first byte: it took the first two digits for 0x.
        return self._cache.person(bytes.fromhex(account.address[2:]))


def screens(dialect: str, parts: Parts) -> CurrentScreens:
    """The screens of a dialect."""
    return (OldScreens if dialect == OLD else CurrentScreens)(parts)
