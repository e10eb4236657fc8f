"""Reads and writes the rows of cic-ussd's tables: accounts, sessions and tracked tasks."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from cicscenario.sandbox.ussd.database import Database
from cicscenario.sandbox.ussd.menus import OLD


class UssdStatus(IntEnum):
    """Status of an account. Source: cic-ussd, ``AccountStatus``."""

    PENDING = 1
    ACTIVE = 2
    LOCKED = 3
    RESET = 4


_CHANGEABLE = ("preferred_language", "password_hash", "failed_pin_attempts", "status")
_SAVE_SESSION = """INSERT INTO ussd_session
  (created, updated, external_session_id, service_code, msisdn, user_input, state, data, version)
  VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
  ON CONFLICT (external_session_id) DO UPDATE SET updated = EXCLUDED.updated, user_input = EXCLUDED.user_input,
    state = EXCLUDED.state, version = EXCLUDED.version,
    data = COALESCE((ussd_session.data::jsonb || EXCLUDED.data::jsonb)::json, EXCLUDED.data, ussd_session.data)
  WHERE ussd_session.version < EXCLUDED.version;"""
_SESSION = "external_session_id, service_code, msisdn, user_input, state, data, version"


@dataclass
class UssdAccount:
    """A row of the account table. ``address`` is the text in the table; it should be 40 lower-case hex digits."""

    id: int
    address: str
    phone: str
    preferred_language: str | None
    password_hash: str | None
    failed_pin_attempts: int
    status: int

    def __post_init__(self) -> None:
        self._as_read = self._changeable()

    def _changeable(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _CHANGEABLE}

    def changes(self) -> dict[str, Any]:
        """Columns whose values have changed since the row was read."""
        return {name: value for name, value in self._changeable().items() if value != self._as_read[name]}


@dataclass
class Session:
    """A USSD session. ``id`` is set by the caller; ``user_input`` is the whole text of the newest request."""

    id: str
    service_code: str
    msisdn: str
    user_input: str
    state: str
    data: dict[str, Any]
    version: int


class UssdAccounts:
    """Reads and writes accounts and sessions for the conversation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, phone: str, international: str | None) -> UssdAccount | None:
        """The account with this phone number, else the account with its international form, else None."""
        rows = self._database.rows(
            "SELECT id, blockchain_address, phone_number, preferred_language, password_hash, failed_pin_attempts, status"
            " FROM account WHERE phone_number IN (%s, %s) ORDER BY phone_number = %s DESC LIMIT 1",
            (phone, international or phone, phone),
        )
        return UssdAccount(*rows[0]) if rows else None

    def last_session(self, phone: str) -> Session | None:
        """The newest session of a phone number."""
        return self._session("msisdn = %s ORDER BY created DESC LIMIT 1", phone)

    def session(self, session_id: str) -> Session | None:
        return self._session("external_session_id = %s", session_id)

    def _session(self, condition: str, value: str) -> Session | None:
        rows = self._database.rows(f"SELECT {_SESSION} FROM ussd_session WHERE {condition}", (value,))  # noqa: S608
        if not rows:
            return None
        session_id, service_code, msisdn, user_input, state, data, version = rows[0]
        return Session(session_id, service_code, msisdn, user_input or "", state, data or {}, version)

    def save(self, session: Session, account: UssdAccount | None, creation: str | None) -> None:
        """Stores the result of one request: the session, the account's changes, and the task id of a new account."""
        now = _now()
        statements, values = [_SAVE_SESSION], [
            now, now, session.id, session.service_code, session.msisdn, session.user_input, session.state,
            json.dumps(session.data) if session.data else None, session.version,
        ]  # fmt: skip
        changes = account.changes() if account else {}
        if account and changes:
            columns = "".join(f"{name} = %s, " for name in changes)
            statements.append(f"UPDATE account SET {columns} updated = %s WHERE id = %s;")  # noqa: S608
            values += [*changes.values(), now, account.id]
        if creation:
            statements.append("INSERT INTO task_tracker (created, updated, task_uuid) VALUES (%s, %s, %s);")
            values += [now, now, creation]
        if not changes and not creation:
            # A power cut may lose a session, but never a PIN or a task id.
            statements.insert(0, "SET LOCAL synchronous_commit TO off;")
        self._database.rows("".join(statements), values)  # sent together, the statements are one transaction


@dataclass(frozen=True)
class NewAccount:
    """An account that the custodial engine has reported: its address, 40 hex digits, and its owner's phone number."""

    address: str
    phone: str


def insert(database: Database, accounts: Sequence[NewAccount], dialect: str) -> set[NewAccount]:
    """Adds rows and gives the accounts that were added: the others have an address or number that is already there."""
    if not accounts:
        return set()
    now = _now()
    guardians = ("", "") if dialect == OLD else (", guardian_quora", ", 1")
    row = f"(%s, %s, 0, {UssdStatus.PENDING.value}, %s, %s{guardians[1]})"
    values: list[Any] = []
    for account in accounts:
        values += [account.address, account.phone, now, now]
    rows = database.rows(
        "INSERT INTO account (blockchain_address, phone_number, failed_pin_attempts, status, created, updated"  # noqa: S608
        f"{guardians[0]}) VALUES {', '.join([row] * len(accounts))} ON CONFLICT DO NOTHING"
        " RETURNING blockchain_address, phone_number",
        values,
    )
    return {NewAccount(*row) for row in rows}


def find_existing(database: Database, accounts: Iterable[NewAccount]) -> set[NewAccount]:
    """The ``accounts`` that are in the table with the same address and phone number."""
    rows = database.rows(
        "SELECT blockchain_address, phone_number FROM account WHERE phone_number = ANY(%s)",
        ([account.phone for account in accounts],),
    )
    return {NewAccount(*row) for row in rows} & set(accounts)


def _now() -> datetime:
    """The time in UTC without a time zone, as the columns need it."""
    return datetime.now(UTC).replace(tzinfo=None)
