"""cic-ussd's cache in Redis. A key is the sha256 of an identifier and a salt. Source of the salts: cic-types."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.client import Pipeline

from cicscenario.jsontext import parse_json
from cicscenario.people import pointer
from cicscenario.sandbox.ussd.accounts import Session

_SESSION_LIFE = 60  # seconds after a session's last request
_CREATION_LIFE = 180  # seconds after an account was created


def key(salt: str, *identifiers: bytes) -> str:
    """The Redis key of a cache entry."""
    return hashlib.sha256(b"".join(identifiers) + salt.encode()).hexdigest()


def languages_key() -> str:
    return key("", b"system:languages")


@dataclass(frozen=True)
class Receipt:
    """A received token; ``sender``, if there is one, sent it as the token ``sent``. Addresses have 20 bytes."""

    holder: bytes
    symbol: str
    sender: bytes | None
    sent: str


@dataclass(frozen=True)
class Holdings:
    """Symbols of an account's tokens: the ``active`` one, those it has received, its last ones. None for what is not known."""

    active: str | None
    received: list[str] | None
    last_sent: str | None
    last_received: str | None


@dataclass(frozen=True)
class Cache:
    """The cache entries. ``redis`` must decode its responses; addresses have 20 bytes."""

    redis: Redis

    def _text(self, name: str) -> str | None:
        text: str | None = self.redis.get(name)  # type: ignore[assignment]  # typed for the asynchronous client too
        return text

    def _texts(self, names: Sequence[str]) -> list[str | None]:
        texts: list[str | None] = self.redis.mget(names) if names else []  # type: ignore[assignment]
        return texts

    def session(self, session_id: str) -> Session | None:
        text = self._text(session_id)
        if text is None:
            return None
        entry = parse_json(text)
        return Session(
            entry["external_session_id"], entry["service_code"], entry["msisdn"], entry["user_input"], entry["state"],
            entry["data"] or {}, entry["version"],
        )  # fmt: skip

    def save_session(self, session: Session) -> None:
        entry = {
            "data": session.data,
            "external_session_id": session.id,
            "msisdn": session.msisdn,
            "service_code": session.service_code,
            "state": session.state,
            "user_input": session.user_input,
            "version": session.version,
        }
        self.redis.set(session.id, json.dumps(entry), ex=_SESSION_LIFE)

    def language(self, address: bytes) -> str | None:
        """The preferred language of an account, or None when it is not in the cache."""
        text = self._text(pointer.preferences(address).hex())
        if text is None:
            return None
        language: str | None = parse_json(text).get("preferred_language")
        return language

    def save_preferences(self, address: bytes, preferences: Any, to: "Pipeline | None" = None) -> None:
        (to or self.redis).set(pointer.preferences(address).hex(), json.dumps(preferences))

    def start_creation(self, task: str, phone: str) -> None:
        """Stores the phone number of the account that the custodial engine will report with this task id."""
        self.redis.set(task, json.dumps(_creation(task, phone, "PENDING")))

    def creations(self, tasks: list[str]) -> list[str | None]:
        """Phone numbers of task ids; None for an unknown task id."""
        return [parse_json(text)["phone_number"] if text else None for text in self._texts(tasks)]

    def end_creation(self, task: str, phone: str, to: Pipeline) -> None:
        to.set(task, json.dumps(_creation(task, phone, "CREATED")), ex=_CREATION_LIFE)

    def person(self, address: bytes) -> Any:
        """The person document of an account, or None when it is not in the cache."""
        return _parsed(self._text(pointer.person(address).hex()))

    def save_person(self, address: bytes, document: Any) -> None:
        self.redis.set(pointer.person(address).hex(), json.dumps(document))

    def statement(self, address: bytes) -> Any:
        """The transactions of an account's statement, or None."""
        return _parsed(self._text(key(":cic.statement", address)))

    def save_statement(self, address: bytes, transactions: Any) -> None:
        self.redis.set(key(":cic.statement", address), json.dumps(transactions))

    def active_token(self, address: bytes) -> str | None:
        """Symbol of the token that an account uses, or None."""
        return self._text(key(":cic.token.active", address))

    def set_active_token(self, address: bytes, symbol: str, to: "Pipeline | None" = None) -> None:
        (to or self.redis).set(key(":cic.token.active", address), symbol)

    def holdings(self, address: bytes) -> Holdings:
        """What is known of an account's tokens, in one round trip."""
        active, received, sent, last = self._texts(
            [
                key(":cic.token.active", address), _symbols_key(address), _last_key(address, "sent"),
                _last_key(address, "received"),
            ]
        )  # fmt: skip
        return Holdings(active, _parsed(received), sent, last)

    def save_last_token(self, address: bytes, way: str, symbol: str) -> None:
        """``way`` is ``sent`` or ``received``."""
        self.redis.set(_last_key(address, way), symbol)

    def tokens_data(self, symbols: Sequence[str]) -> dict[str, Any]:
        """``token_data`` by symbol, in one round trip."""
        texts = self._texts([_data_key(symbol) for symbol in symbols])
        return dict(zip(symbols, map(_parsed, texts), strict=True))

    def token_data(self, symbol: str) -> Any:
        """Details of a token, or None."""
        return _parsed(self._text(_data_key(symbol)))

    def add_receipts(self, receipts: Sequence[Receipt], data: Mapping[str, Any]) -> None:
        """Adds received tokens, in their order, and details of tokens by symbol; in two round trips."""
        entries = {_data_key(symbol): json.dumps(details) for symbol, details in data.items()}
        names = list(dict.fromkeys(_symbols_key(receipt.holder) for receipt in receipts))
        lists = dict(zip(names, self._texts(names), strict=True))
        for receipt in receipts:
            name = _symbols_key(receipt.holder)
            known = _parsed(lists[name]) or []
            if receipt.symbol not in known:
                lists[name] = entries[name] = json.dumps([*known, receipt.symbol])
            entries[_last_key(receipt.holder, "received")] = receipt.symbol
            if receipt.sender is not None:
                entries[_last_key(receipt.sender, "sent")] = receipt.sent
        self.redis.mset(entries)

    def balances(self, address: bytes, symbol: str) -> Any:
        """The balances that were last read from the chain, or None."""
        return _parsed(self._text(key(":cic.balances", address, symbol.encode())))

    def save_balances(self, address: bytes, symbol: str, balances: Any) -> None:
        self.redis.set(key(":cic.balances", address, symbol.encode()), json.dumps(balances))

    def spendable(self, address: bytes, symbol: str) -> str | None:
        """What an account can spend of a token, in whole tokens, or None."""
        return self._text(key(":cic.balance.adjusted_spendable", address, symbol.encode()))

    def save_wallet(
        self, address: bytes, symbol: str, balances: Mapping[str, Any], spendable: float, listed: list[Any]
    ) -> None:
        """Saves balances by symbol, what can be spent of the token ``symbol``, and the list of tokens; in one round trip."""
        entries = {key(":cic.balances", address, held.encode()): json.dumps(each) for held, each in balances.items()}
        entries[key(":cic.balance.adjusted_spendable", address, symbol.encode())] = repr(spendable)
        entries[key(":cic.token.data.list", address)] = json.dumps(listed)
        self.redis.mset(entries)

    def listed_tokens(self, address: bytes) -> Any:
        """The tokens of an account in the order of its menu, or None."""
        return _parsed(self._text(key(":cic.token.data.list", address)))


def _symbols_key(address: bytes) -> str:
    return key(":cic.token.symbols.list", address)


def _last_key(address: bytes, way: str) -> str:
    return key(f":cic.token.last.{way}", address)


def _data_key(symbol: str) -> str:
    return key(":cic.token.data", symbol.encode())


def _parsed(text: str | None) -> Any:
    return parse_json(text) if text else None


def _creation(task: str, phone: str, status: str) -> dict[str, Any]:
    return {"phone_number": phone, "sms_notification_sent": False, "status": status, "task_uuid": task}
