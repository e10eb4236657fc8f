"""Reads and writes the rows of cic-ussd's tables: accounts, sessions and tracked tasks."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Protocol

import phonenumbers

from cicscenario.sandbox.ussd.database import Database
from cicscenario.sandbox.ussd.menus import OLD


class UssdStatus(IntEnum):
    """Status of an account. Source: cic-ussd, ``AccountStatus``."""

    PENDING = 1
    ACTIVE = 2
    LOCKED = 3
    RESET = 4


MOST_ATTEMPTS = 3
_REGION = "KE"
_CHANGEABLE = ("preferred_language", "password_hash", "failed_pin_attempts", "status", "guardians")
_ACCOUNT = (
    "id, blockchain_address, phone_number, preferred_language, password_hash, failed_pin_attempts, status, created"
)
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
    created: datetime  #: in UTC, without a time zone
    guardians: str | list[str] | None = None  #: phone numbers with commas between them; a list only until it is stored
    guardian_quora: int = 1  #: how many guardians must ask for a reset of the PIN

    def __post_init__(self) -> None:
        self._as_read = self._changeable()

    @property
    def raw_address(self) -> bytes:
        """The 20 bytes of the address. As in cic-ussd, raises ValueError when it is written with 0x."""
        return bytes.fromhex(self.address)

    @property
    def guardian_phones(self) -> list[str]:
        if isinstance(self.guardians, list):
            return self.guardians
        return self.guardians.split(",") if self.guardians else []

    def lock_if_exhausted(self) -> bool:
        """Locks the account after the last failed PIN attempt; says whether it is locked."""
        if self.failed_pin_attempts >= MOST_ATTEMPTS:
            self.status = UssdStatus.LOCKED
        return self.status == UssdStatus.LOCKED

    def _changeable(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _CHANGEABLE}

    def changes(self) -> dict[str, Any]:
        """Columns whose values have changed since the row was read."""
        return {name: value for name, value in self._changeable().items() if value != self._as_read[name]}


class OldUssdAccount(UssdAccount):
    """A row of the account table of 2021, whose address may be written with 0x."""

    @property
    def raw_address(self) -> bytes:
        return bytes.fromhex(self.address.removeprefix("0x"))


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


class AccountBook(Protocol):
    """Where conversations find accounts and sessions, and store them."""

    def find(self, phone: Any) -> UssdAccount | None:
        """The account of a phone number. Raises an exception where cic-ussd does."""

    def by_address(self, address: str) -> UssdAccount | None:
        """The account with this address, as it is written in the table."""

    def last_session(self, phone: str) -> Session | None:
        """The newest session of a phone number."""

    def session(self, session_id: str) -> Session | None:
        """The stored session with this id."""

    def save(self, session: Session, accounts: Sequence[UssdAccount], creation: str | None) -> None:
        """Stores the result of one request: the session, changes of accounts, and the task id of a new account."""


class UssdAccounts:
    """Reads and writes accounts and sessions for the conversation."""

    def __init__(self, database: Database, dialect: str) -> None:
        self._database = database
        self._is_old = dialect == OLD
        self._columns = _ACCOUNT if self._is_old else f"{_ACCOUNT}, guardians, guardian_quora"

    def find(self, phone: Any) -> UssdAccount | None:
        """The account with exactly this phone number; since 2022, else the one with its international form.

        Raises NumberParseException when there is no account and the number has no such form, TypeError for no text.
        """
        if self._is_old:
            return self._account("phone_number = %s", (phone,))
        if not isinstance(phone, str):
            raise TypeError("not a phone number")
        try:
            international = international_form(phone)
        except phonenumbers.NumberParseException:
            account = self._account("phone_number = %s", (phone,))
            if account is None:
                raise
            return account
        return self._account("phone_number IN (%s, %s) ORDER BY phone_number = %s DESC", (phone, international, phone))

    def by_address(self, address: str) -> UssdAccount | None:
        """The account with this address, as it is written in the table."""
        return self._account("blockchain_address = %s", (address,))

    def _account(self, condition: str, values: tuple[Any, ...]) -> UssdAccount | None:
        rows = self._database.rows(
            f"SELECT {self._columns} FROM account WHERE {condition} LIMIT 1",  # noqa: S608
            values,
        )
        if not rows:
            return None
        return OldUssdAccount(*rows[0]) if self._is_old else UssdAccount(*rows[0])

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

    def save(self, session: Session, accounts: Sequence[UssdAccount], creation: str | None) -> None:
        """Stores the result of one request: the session, changes of accounts, and the task id of a new account."""
        now = _now()
        statements: list[str] = []
        values: list[Any] = []
        try:
            data = json.dumps(session.data, allow_nan=False) if session.data else None
        except ValueError:  # an amount such as 1e999: cic-ussd's background task fails to store the session
            pass
        else:
            statements.append(_SAVE_SESSION)
            values += [
                now, now, session.id, session.service_code, session.msisdn, session.user_input, session.state, data,
                session.version,
            ]  # fmt: skip
        changed = [(account, account.changes()) for account in accounts if account.changes()]
        for account, changes in changed:
            columns = "".join(f"{name} = %s, " for name in changes)
            statements.append(f"UPDATE account SET {columns} updated = %s WHERE id = %s;")  # noqa: S608
            values += [*changes.values(), now, account.id]
        if creation:
            statements.append("INSERT INTO task_tracker (created, updated, task_uuid) VALUES (%s, %s, %s);")
            values += [now, now, creation]
        if not changed and not creation:
            # A power cut may lose a session, but never a PIN or a task id.
            statements.insert(0, "SET LOCAL synchronous_commit TO off;")
        self._database.rows("".join(statements), values)  # sent together, the statements are one transaction


def international_form(phone: str) -> str:
    """A number as dialled in Kenya, in E.164 form. Raises NumberParseException when it is not a phone number."""
    return phonenumbers.format_number(phonenumbers.parse(phone, _REGION), phonenumbers.PhoneNumberFormat.E164)


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
