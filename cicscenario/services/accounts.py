"""Client of cic-ussd's account table, in PostgreSQL. It sets what the phone interface leaves out: PIN, status, language.

Both forms of the table will do: the older has no guardians. The table holds addresses as 40 lower-case hexadecimal digits
without 0x, phone numbers in E.164, and times in UTC without a zone.

A dial resumes the phone's newest session, even one that stopped at the PIN entry before there was a PIN. So an update also
ends the newest session of each phone number. Source: cic-ussd, ``resume_last_ussd_session``.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeVar

import psycopg2
from psycopg2.errors import QueryCanceled

from cicscenario.address import Redaction
from cicscenario.boundaries import Boundary
from cicscenario.errors import CicScenarioError, InvalidError, UnavailableError
from cicscenario.people.pins import scheme_of
from cicscenario.printable import foreign
from cicscenario.transport.exchange import LateError, TooLargeError
from cicscenario.transport.postgres import DatabaseTransaction, Postgres, is_passing
from cicscenario.transport.traffic import Meter

_T = TypeVar("_T")
_CHANGE = Boundary("accounts.change")  # one transaction that changes rows
_COLUMNS = {
    "account": {
        "blockchain_address", "created", "failed_pin_attempts", "password_hash", "phone_number", "preferred_language", "status",
        "updated",
    },
    "ussd_session": {"created", "id", "msisdn", "state", "updated"},
}  # fmt: skip
_UPDATE = """
UPDATE account SET {assignments}, updated = now() AT TIME ZONE 'utc'
FROM (VALUES %s) AS new ({columns}) WHERE account.phone_number = new.phone RETURNING account.phone_number"""
_END_SESSIONS = """
UPDATE ussd_session SET state = 'exit', updated = now() AT TIME ZONE 'utc' WHERE id IN
(SELECT DISTINCT ON (msisdn) id FROM ussd_session WHERE msisdn = ANY(%s) ORDER BY msisdn, created DESC)"""
_LAST_STATES = """
SELECT phone_number, state FROM account LEFT JOIN
(SELECT DISTINCT ON (msisdn) msisdn, state FROM ussd_session WHERE msisdn = ANY(%(phones)s) ORDER BY msisdn, created DESC)
AS last ON msisdn = phone_number WHERE phone_number = ANY(%(phones)s)"""
_HAS_GUARDIANS = """
SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'account'::regclass AND attname = 'guardians' AND NOT attisdropped)"""
_NEWEST_HASHES = "SELECT password_hash FROM account WHERE password_hash IS NOT NULL ORDER BY updated DESC LIMIT 50"
_SELECT = """
SELECT phone_number, blockchain_address, status, password_hash, preferred_language, failed_pin_attempts,
coalesce(extract(epoch FROM now() AT TIME ZONE 'utc' - created), 0)::float8
FROM account WHERE phone_number = ANY(%s)"""


_PARAMETERS = "is `accounts` in the environment file right, and the service file if it names one?"


class AccountStatus(IntEnum):
    """States of an account. Source: cic-ussd, ``AccountStatus``."""

    PENDING = 1
    ACTIVE = 2
    LOCKED = 3
    RESET = 4


@dataclass(frozen=True)
class AccountRow:
    """A row of the table, unchanged."""

    address: str
    status: int
    password_hash: str | None
    preferred_language: str | None
    failed_pin_attempts: int
    age: float = field(default=0.0, compare=False)  #: seconds since it was added


class AccountsDatabase:
    """The database. Safe for use by many threads: each call has a connection and a transaction of its own.

    ``host`` may be the folder of a Unix socket. ``parameters`` are further ones of libpq, such as ``sslmode``. ``timeout`` is
    in seconds, for the login and for each statement with its whole answer. Raises InvalidError for parameters that libpq does
    not have, UnavailableError when the database cannot be reached, refuses the user, or is not cic-ussd's, and
    InterruptedRunError within a second after ``stopping`` is set.
    """

    def __init__(
        self,
        host: str,
        port: int | str,
        database: str,
        user: str,
        password: str,
        *,
        parameters: Mapping[str, str | Path] | None = None,
        timeout: int = 30,
        stopping: threading.Event | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._login: dict[str, Any] = {
            **(parameters or {}),
            "host": host,
            "port": port,
            "dbname": database,
            "user": user,
            "password": password,
        }
        self._redact = Redaction("", password)
        self._timeout = timeout
        self._stopping = stopping
        self._meter = meter or Meter()
        self._postgres = Postgres(self._login, timeout, stopping, meter=self._meter)
        self.name = f"{host or 'of the default socket'}:{port}/{database}"  #: for messages

    def __repr__(self) -> str:
        return f"AccountsDatabase({self.name})"

    def check(self) -> None:
        """Checks that the tables exist, have the columns, and may be read and changed. Changes nothing."""

        def look(transaction: DatabaseTransaction) -> None:
            for table, columns in _COLUMNS.items():
                self._check_table(transaction, table, columns)

        self._transact(look)

    def _check_table(self, transaction: DatabaseTransaction, table: str, columns: set[str]) -> None:
        if not transaction.value("SELECT to_regclass(%s) IS NOT NULL", (table,)):
            raise UnavailableError(
                f"database {self.name} has no table `{table}`: it is not that of cic-ussd",
                hint="is `accounts.database` right, and have cic-ussd's migrations been run?",
            )
        found = transaction.rows(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND NOT attisdropped", (table,)
        )
        missing = sorted(columns - {name for (name,) in found})
        if missing:
            raise UnavailableError(f"table `{table}` of database {self.name} has no column {', '.join(missing)}")
        allowed = transaction.value(
            "SELECT has_table_privilege(%(table)s, 'SELECT') AND has_table_privilege(%(table)s, 'UPDATE')",
            {"table": table},
        )
        if not allowed:
            raise UnavailableError(
                f"user {self._login['user']} may not read and change table `{table}` of database {self.name}",
                hint=f"GRANT SELECT, UPDATE ON {', '.join(_COLUMNS)} TO the user",
            )

    def set_pins(self, pins: Sequence[tuple[str, str]]) -> list[str]:
        """Gives each phone number its password hash, all in one statement. Returns the numbers without an account.

        Raises InvalidError for a number that is given twice.
        """
        return self._update("password_hash = new.hash", "phone, hash", pins)

    def set_ussd_data(self, rows: Sequence[tuple[str, int, str]]) -> list[str]:
        """Gives each phone number its status (see AccountStatus) and language, without blanks around it, in one statement.

        Returns the numbers without an account. Raises InvalidError for a number that is given twice, a status that does
        not exist, and an empty language.
        """
        clean = [(phone, _status(phone, status), _language(phone, language)) for phone, status, language in rows]
        return self._update("status = new.status, preferred_language = new.language", "phone, status, language", clean)

    def read(self, phones: Iterable[str]) -> dict[str, AccountRow]:
        """Accounts by phone number, in one query; numbers without an account are left out."""
        wanted = list(phones)
        rows = self._transact(lambda transaction: transaction.rows(_SELECT, (wanted,)))
        return {phone: AccountRow(*rest) for phone, *rest in rows}

    def count(self) -> int:
        """Number of accounts in the table."""
        return int(self._transact(lambda transaction: transaction.value("SELECT count(*) FROM account")))

    def last_states(self, phones: Iterable[str]) -> dict[str, str | None]:
        """The state of each account's newest session, in one query; None for an account that has no session.

        A dial of an active account with a PIN resumes that session, and is answered 500 when there is none. Numbers without an
        account are left out.
        """
        wanted = {"phones": list(phones)}
        return dict(self._transact(lambda transaction: transaction.rows(_LAST_STATES, wanted)))

    def has_guardians(self) -> bool:
        """Whether table ``account`` has the column ``guardians``, which that of cic-ussd of 2021 lacks."""
        return bool(self._transact(lambda transaction: transaction.value(_HAS_GUARDIANS)))

    def pin_schemes(self) -> set[str]:
        """The schemes of the newest password hashes in the table; those of no scheme are left out."""
        hashes = self._transact(lambda transaction: transaction.rows(_NEWEST_HASHES))
        return {scheme for (text,) in hashes if (scheme := scheme_of(text))}

    def _update(self, assignments: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> list[str]:
        phones = [row[0] for row in rows]
        if twice := next((phone for phone, times in Counter(phones).items() if times > 1), None):
            raise InvalidError(f"phone number {twice} is given twice, but can have only one value in {self.name}")
        if not rows:
            return []
        statement = _UPDATE.format(assignments=assignments, columns=columns)

        def change(transaction: DatabaseTransaction) -> set[str]:
            changed = {phone for (phone,) in transaction.rows_of_many(statement, rows)}
            transaction.rows(_END_SESSIONS, (phones,))
            return changed

        with _CHANGE:
            changed = self._transact(change, read_only=False)
        return [phone for phone in phones if phone not in changed]

    def _transact(self, body: Callable[[DatabaseTransaction], _T], *, read_only: bool = True) -> _T:
        """What ``body`` gives, in one transaction; in another one after a failure, if the environment allows retries.

        One that changes rows is only begun again when it was not: after a login that failed.
        """
        attempts = self._meter.attempts(self._stopping, (0.0,), always_once=True)
        told: CicScenarioError | None = None
        for _ in attempts:
            begun = False
            try:
                with self._postgres.begin(read_only=read_only) as transaction:
                    begun = True
                    return body(transaction)
            except (psycopg2.Error, ValueError, LateError, TooLargeError) as error:
                told = self._told(error)
                if (begun and not read_only) or not is_passing(error):
                    raise told from None
                attempts.failed(told.message)
        assert told  # there is one attempt at least
        raise told

    def _told(self, error: Exception) -> CicScenarioError:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = foreign(self._redact(lines[0])) if lines else type(error).__name__
        if isinstance(error, UnicodeError):
            reason = "what it says, or its password, is not UTF-8 text"
        code = getattr(error, "pgcode", None)
        if isinstance(error, psycopg2.ProgrammingError) and not code:  # libpq has not even tried
            return InvalidError(
                f"database {self.name} cannot be reached by these parameters: {reason}", hint=_PARAMETERS
            )
        if isinstance(error, QueryCanceled):
            hint = (
                f"does another program hold a lock on the account table? A statement may take {self._timeout} seconds"
            )
        elif code:  # it has answered
            hint = "is the database in `accounts` of the environment file that of cic-ussd?"
        elif "authentication method requirement" in reason:
            hint = "`accounts.require_auth` in the environment file names the way in which the server may ask for the password"
        elif "certificate" in reason:
            hint = "`ca` or `accounts.sslrootcert` in the environment file names the authorities to trust"
        else:
            hint = "is PostgreSQL running, and is `accounts` in the environment file right?"
        return UnavailableError(f"database {self.name} failed: {reason}", hint=hint)


def _status(phone: str, status: int) -> int:
    try:
        return int(AccountStatus(status))
    except ValueError:
        raise InvalidError(
            f"{phone}: there is no account status {status!r}", hint="1 pending, 2 active, 3, 4"
        ) from None


def _language(phone: str, language: str) -> str:
    if not language.strip():
        raise InvalidError(f"{phone}: the language is empty")
    return language.strip()
