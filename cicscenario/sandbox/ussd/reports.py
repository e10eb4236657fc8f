"""Handles the custodial engine's reports: new accounts, received tokens and statements."""

import itertools
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg2
from redis import Redis

from cicscenario.errors import CicScenarioError
from cicscenario.people import pointer
from cicscenario.sandbox.ussd.accounts import NewAccount, find_existing, insert
from cicscenario.sandbox.ussd.cache import Cache, Receipt, key
from cicscenario.sandbox.ussd.database import Database
from cicscenario.sandbox.ussd.engine import ACCOUNT_CREATED, STATEMENT, TRANSACTION
from cicscenario.sandbox.ussd.faults import UssdFaults, is_affected
from cicscenario.sandbox.ussd.inbox import Task, decode
from cicscenario.sandbox.ussd.menus import OLD
from cicscenario.sandbox.ussd.metaclient import MetaError, SigningMetaClient
from cicscenario.sandbox.ussd.metadata import METADATA_QUEUE, QueuedEntry
from cicscenario.sandbox.ussd.statements import Statements
from cicscenario.sandbox.ussd.tokens import Tokens

_log = logging.getLogger(__name__)

_TAGS = {"tags": ["ussd", "individual"]}


@dataclass(frozen=True)
class _Report:
    """A new account, the ``task`` that created it, and the language that its owner chose."""

    task: str
    account: NewAccount
    language: str


class Reports:
    """Turns reports into database rows, cache entries and writes to the metadata server, in batches."""

    def __init__(
        self, dialect: str, database: Database, redis: Redis, tokens: Tokens, faults: UssdFaults,
        meta: SigningMetaClient, statements: Statements,
    ) -> None:  # fmt: skip
        self._dialect = dialect
        self._database = database
        self._redis = redis
        self._cache = Cache(redis)
        self._tokens = tokens
        self._faults = faults
        self._meta = meta
        self._statements = statements

    def handle(self, messages: list[str], again: bool) -> None:
        """Handles messages. When PostgreSQL, Redis or the chain fail, it raises, and may be called with the same again."""
        tasks = list(_decoded(messages))
        self._accounts([task for task in tasks if task.name == ACCOUNT_CREATED], again)
        for name, group in itertools.groupby(
            tasks, lambda task: task.name
        ):  # a statement and a transaction keep their order
            if name == TRANSACTION:
                self._transactions(list(group))
            elif name == STATEMENT:
                for task in group:
                    self._statement(task)
            elif name != ACCOUNT_CREATED:
                _log.info("task %s is not for the sandbox; dropped", name)

    def _accounts(self, tasks: list[Task], again: bool) -> None:
        reports = self._known(tasks)
        if not reports:
            return
        try:
            added = insert(self._database, [report.account for report in reports], self._dialect)
        except (psycopg2.DataError, ValueError) as error:
            if len(tasks) == 1:
                _log.warning("the report of task %s cannot be stored: %s", tasks[0].root, error)
                return
            for task in tasks:
                self._accounts([task], again)
            return
        if again:  # an earlier attempt may have added the rows and then failed
            added |= find_existing(self._database, [report.account for report in reports])
        self._announce(reports, added)

    def _known(self, tasks: list[Task]) -> list[_Report]:
        """Reports of accounts that this service has requested. Others are dropped: cic-ussd's task fails for them."""
        reports = []
        phones = self._cache.creations([task.root for task in tasks]) if tasks else []
        for task, phone in zip(tasks, phones, strict=True):
            try:
                address, language, status = task.arguments
            except ValueError:
                _log.warning("task %s does not report an account; dropped", task.root)
                continue
            if phone is None or status != 0 or not isinstance(address, str):
                _log.warning(
                    "task %s: status %s, phone number %s; dropped", task.root, status, "un" * (not phone) + "known"
                )
                continue
            if is_affected(self._faults.no_callback, "no-callback", phone):
                continue
            report = _Report(task.root, NewAccount(address, phone), language or "")
            twice = is_affected(self._faults.duplicate_callback, "duplicate-callback", phone)
            reports += [report, report] if twice else [report]
        return reports

    def _announce(self, reports: list[_Report], added: set[NewAccount]) -> None:
        symbol = self._tokens.default().symbol
        with self._redis.pipeline() as pipe:
            for report in reports:
                if report.account not in added:
                    _log.warning("task %s reports an account whose number or address is taken", report.task)
                    continue
                added.discard(report.account)
                try:
                    address = bytes.fromhex(report.account.address)
                except ValueError:
                    _log.warning(
                        "task %s reports an address that is not plain hex; the account cannot be used", report.task
                    )
                    continue
                self._cache.end_creation(report.task, report.account.phone, pipe)
                entries = [
                    QueuedEntry(pointer.phone(report.account.phone).hex(), report.account.address),
                    QueuedEntry(pointer.custom(address).hex(), _TAGS),
                ]
                if self._dialect != OLD:
                    preferences = {"preferred_language": report.language}
                    self._cache.set_active_token(address, symbol, pipe)
                    self._cache.save_preferences(address, preferences, pipe)
                    entries.insert(0, QueuedEntry(pointer.preferences(address).hex(), preferences))
                if not is_affected(self._faults.lost_metadata, "lost-metadata", report.account.phone):
                    pipe.lpush(METADATA_QUEUE, *[entry.dump() for entry in entries])
            pipe.execute()

    def _statement(self, task: Task) -> None:
        """Adds an account's transactions to its statement."""
        try:
            transactions, address, status = task.arguments
            if status == 0:
                self._statements.add(address, transactions)
                return
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            _log.warning("task %s does not report transactions: %r; dropped", task.root, error)
            return
        _log.warning("task %s reports that there is no statement; dropped", task.root)

    def _transactions(self, tasks: list[Task]) -> None:
        """Adds received tokens to the cache. cic-ussd asks the engine about a token; the sandbox asks the chain."""
        receipts = [receipt for receipt in map(_receipt, tasks) if receipt is not None]
        data = self._cache.tokens_data(list(dict.fromkeys(receipt.symbol for receipt in receipts)))
        new = {symbol: self._token_data(symbol) for symbol, details in data.items() if not details}
        known = [receipt for receipt in receipts if data[receipt.symbol] or new[receipt.symbol]]
        if known:
            self._cache.add_receipts(known, {symbol: details for symbol, details in new.items() if details})

    def _token_data(self, symbol: str) -> dict[str, Any] | None:
        token = self._tokens.default()
        if token.symbol != symbol:
            try:
                token = self._tokens.by_symbol(symbol)
            except CicScenarioError as error:
                _log.warning("a transaction of token %s was reported, but the token is not found: %s", symbol, error)
                return None
        contact, proof = self._about(symbol, ":cic.token.meta.symbol"), self._about(symbol, ":cic.token.proof.symbol")
        about = {
            "description": proof.get("description", token.name),
            "issuer": proof.get("issuer", ""),
            "location": contact.get("location", ""),
            "contact": contact.get("contact", {"phone": ""}),
        }
        return about | token.as_entry()

    def _about(self, symbol: str, salt: str) -> dict[str, Any]:
        """What the metadata server knows of a token. cic-ussd fails for an unknown token; the sandbox goes on without."""
        try:
            entry = self._meta.get(key(salt, symbol.encode()))
        except MetaError as error:
            _log.info("metadata of token %s could not be read: %s", symbol, error)
            return {}
        return entry if isinstance(entry, dict) else {}


def _receipt(task: Task) -> Receipt | None:
    """What a task reports as received; None for a task that is dropped."""
    try:
        result, kind, status = task.arguments
        holder, symbol = _raw(result["recipient"]), result["destination_token_symbol"]
        sender = _raw(result["sender"]) if kind == "transfer" else None
        sent = str(result.get("source_token_symbol"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        _log.warning("task %s does not report a transaction: %r; dropped", task.root, error)
        return None
    if status != 0:
        _log.warning("task %s reports a failed transaction; dropped", task.root)
        return None
    return Receipt(holder, symbol, sender, sent)


def _raw(address: str) -> bytes:
    return bytes.fromhex(address.removeprefix("0x"))


def _decoded(messages: list[str]) -> Iterator[Task]:
    for message in messages:
        try:
            yield decode(message)
        except (ValueError, json.JSONDecodeError) as error:
            _log.warning("%s; dropped", error)
