"""The phone interface's conversation on top of memory: no server, no database. For walks through all menus."""

import copy
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import phonenumbers

from cicscenario.chainspec import ChainSpec
from cicscenario.sandbox.ussd.accounts import Session, UssdAccount, international_form
from cicscenario.sandbox.ussd.cache import Cache
from cicscenario.sandbox.ussd.conversation import Conversation, UssdRequest
from cicscenario.sandbox.ussd.menus import OLD, Menus
from cicscenario.sandbox.ussd.parts import Parts
from cicscenario.sandbox.ussd.pins import BcryptPinScheme, FernetPinScheme
from cicscenario.sandbox.ussd.profiles import Profiles
from cicscenario.sandbox.ussd.tokens import TokenInfo
from cicscenario.sandbox.ussd.wallet import CurrentWallet, OldWallet, Wallet

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
SPEC = ChainSpec.parse("evm:byzantium:8996:bloxberg")


class MemoryRedis:
    """The commands of Redis that the conversation needs."""

    def __init__(self) -> None:
        self.entries: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        return self.entries.get(name)

    def set(self, name: str, value: str, ex: int | None = None) -> None:
        self.entries[name] = value

    def mget(self, names: Sequence[str]) -> list[str | None]:
        return [self.entries.get(name) for name in names]

    def mset(self, entries: Mapping[str, str]) -> None:
        self.entries |= entries


class MemoryBook:
    """Accounts and stored sessions. What is changed in an account stays only if it is saved."""

    def __init__(self, dialect: str) -> None:
        self._is_old = dialect == OLD
        self.accounts: list[UssdAccount] = []
        self.sessions: dict[str, Session] = {}

    def find(self, phone: Any) -> UssdAccount | None:
        if found := self._account("phone", phone):
            return found
        if self._is_old:
            return None
        if not isinstance(phone, str):
            raise phonenumbers.NumberParseException(0, "not a text")
        return self._account("phone", international_form(phone))

    def by_address(self, address: str) -> UssdAccount | None:
        return self._account("address", address)

    def _account(self, field: str, value: Any) -> UssdAccount | None:
        return next((copy.copy(account) for account in self.accounts if getattr(account, field) == value), None)

    def last_session(self, phone: str) -> Session | None:
        mine = [session for session in self.sessions.values() if session.msisdn == phone]
        return copy.deepcopy(mine[-1]) if mine else None

    def session(self, session_id: str) -> Session | None:
        return copy.deepcopy(self.sessions.get(session_id))

    def save(self, session: Session, accounts: Sequence[UssdAccount], creation: str | None) -> None:
        self.sessions[session.id] = copy.deepcopy(session)
        changed = {account.id: account for account in accounts}
        self.accounts = [copy.copy(changed.get(account.id, account)) for account in self.accounts]


class MemoryTokens:
    """Every token has six decimals; ``units`` are everybody's balances by symbol."""

    def __init__(self) -> None:
        self.units: dict[str, int] = {}

    def default(self) -> TokenInfo:
        return TokenInfo("GFT", "Giftable Token", 6, b"GFT")

    def by_symbol(self, symbol: str) -> TokenInfo:
        return TokenInfo(symbol, symbol, 6, symbol.encode())

    def balance(self, token: bytes, holder: bytes) -> int:
        return self.units[token.decode()]


class Outside:
    """The custodial engine and the metadata server: ``done`` is what they were asked, in order."""

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []

    def create_account(self, task: str, language: str) -> None:
        self.done.append(("create_account", language))

    def transfer(self, sender: str, recipient: str, units: int, symbol: str) -> None:
        self.done.append(("transfer", sender, recipient, units, symbol))

    def request_statement(self, address: str) -> None:
        self.done.append(("statement", address))

    def send_message(self, phone: str, text: str) -> None:
        self.done.append(("message", phone, text))

    def refresh(self, address: bytes) -> None:
        self.done.append(("read", address))

    def refresh_person(self, address: bytes) -> None:
        self.done.append(("read person", address))

    def refresh_now(self, address: bytes) -> None:
        """Everything is there already."""

    def write(self, pointer: bytes, value: Any) -> None:
        self.done.append(("write", pointer.hex(), value))


class MemoryWorld:
    """A conversation and all that it touches. The time is noon of 26 November 2026."""

    def __init__(self, dialect: str, fallback: str = "sw") -> None:
        is_old = dialect == OLD
        self.redis, self.book, self.tokens, self.outside = MemoryRedis(), MemoryBook(dialect), MemoryTokens(), Outside()
        self.cache = Cache(self.redis)  # type: ignore[arg-type]
        self.pins = FernetPinScheme(cost=4) if is_old else BcryptPinScheme(4)
        wallet: Wallet = (OldWallet if is_old else CurrentWallet)(self.cache, self.tokens)
        self.menus = Menus(dialect, fallback)
        profiles = Profiles(dialect, self.cache, SPEC, lambda: NOON)
        parts = Parts(self.menus, self.pins, self.book, self.cache, wallet, profiles, self.outside, self.outside)
        self.conversation = Conversation(dialect, parts)
        self._ids = itertools.count(1)

    def post(self, session: str, phone: str, text: str) -> str | None:
        """The screen, or None where the server fails."""
        try:
            return self.conversation.answer(UssdRequest(session, "*483*46#", phone, text))
        except Exception:  # any exception is one answer: that of a server that failed
            return None

    def dial(self, phone: str, *texts: str) -> list[str | None]:
        session = f"session {next(self._ids)}"
        return [self.post(session, phone, text) for text in ("", *texts)]

    def place(self, salt: str, identifiers: Sequence[str]) -> str:
        """The name of a cache entry. An identifier that begins with ``hex:`` is bytes, another one is text."""
        raw = b"".join(bytes.fromhex(i[4:]) if i.startswith("hex:") else i.encode() for i in identifiers)
        return hashlib.sha256(raw + salt.encode()).hexdigest()
