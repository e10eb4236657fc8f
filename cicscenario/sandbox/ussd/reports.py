"""Handles the custodial engine's reports about new accounts and received tokens."""

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
from cicscenario.sandbox.ussd.cache import Cache
from cicscenario.sandbox.ussd.database import Database
from cicscenario.sandbox.ussd.engine import ACCOUNT_CREATED, TRANSACTION
from cicscenario.sandbox.ussd.faults import UssdFaults, is_affected
from cicscenario.sandbox.ussd.inbox import Task, decode
from cicscenario.sandbox.ussd.menus import OLD
from cicscenario.sandbox.ussd.metadata import METADATA_QUEUE, QueuedEntry
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

    def __init__(self, dialect: str, database: Database, redis: Redis, tokens: Tokens, faults: UssdFaults) -> None:
        self._dialect = dialect
        self._database = database
        self._redis = redis
        self._cache = Cache(redis)
        self._tokens = tokens
        self._faults = faults

    def handle(self, messages: list[str], again: bool) -> None:
        """Handles messages. When PostgreSQL, Redis or the chain fail, it raises, and may be called with the same again."""
        tasks = list(_decoded(messages))
        self._accounts([task for task in tasks if task.name == ACCOUNT_CREATED], again)
        for task in tasks:
            if task.name == TRANSACTION:
                self._transaction(task)
            elif task.name != ACCOUNT_CREATED:
                _log.info("task %s is not for the sandbox; dropped", task.name)

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

    def _transaction(self, task: Task) -> None:
        """Adds a received token to the cache. cic-ussd reads the token's metadata; the sandbox reads the chain."""
        try:
            result, _, status = task.arguments
            holder, symbol = bytes.fromhex(result["recipient"].removeprefix("0x")), result["destination_token_symbol"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            _log.warning("task %s does not report a transaction: %r; dropped", task.root, error)
            return
        if status != 0:
            _log.warning("task %s reports a failed transaction; dropped", task.root)
            return
        data = self._cache.token_data(symbol) or self._token_data(symbol)
        if data is not None:
            self._cache.save_token_data(symbol, data)
            self._cache.add_token_symbol(holder, symbol)

    def _token_data(self, symbol: str) -> dict[str, Any] | None:
        token = self._tokens.default()
        if token.symbol != symbol:
            try:
                token = self._tokens.by_symbol(symbol)
            except CicScenarioError as error:
                _log.warning("a transaction of token %s was reported, but the token is not found: %s", symbol, error)
                return None
        about = {"description": token.name, "issuer": "", "location": "", "contact": {"phone": ""}}
        return about | token.as_entry()


def _decoded(messages: list[str]) -> Iterator[Task]:
    for message in messages:
        try:
            yield decode(message)
        except (ValueError, json.JSONDecodeError) as error:
            _log.warning("%s; dropped", error)
