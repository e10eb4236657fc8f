"""PostgreSQL with the phone interface's tables, in the place of the product's ``Postgres``.

The statements of ``AccountsDatabase`` are recognised by their text, and carried out on rows in memory; that they are right is
tested against a real PostgreSQL. Every statement is a request of its own. What a transaction changes is there when its COMMIT
has been carried out, or not at all.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg2

from cicscenario.services import accounts
from cicscenario.transport.exchange import LateError
from tests.soak.world import AnswerTimeoutError, ConnectionLostError, NoConnectionError, World

PENDING, ACTIVE = 1, 2  # Source: cic-ussd, ``AccountStatus``
_TIMEOUT = 30.0  # seconds, of the product's client
Row = tuple[Any, ...]


@dataclass
class Account:
    """A row of table ``account``."""

    address: bytes
    language: str
    created: float  #: simulated seconds
    status: int = PENDING
    password_hash: str | None = None


@dataclass
class Database:
    """The tables. ``sessions`` has the state of each phone's newest session. ``restarts`` ends what was not committed."""

    accounts: dict[str, Account] = field(default_factory=dict)  #: by phone number: that column is unique
    sessions: dict[str, str] = field(default_factory=dict)
    restarts: int = 0

    def restart(self) -> None:
        self.restarts += 1


class SimPostgres:
    """Stands for ``Postgres``."""

    def __init__(self, world: World, database: Database) -> None:
        self._world, self._database = world, database

    @contextmanager
    def begin(self, *, read_only: bool = True) -> Iterator["SimTransaction"]:
        began = SimTransaction(self._world, self._database, read_only=read_only)
        yield began
        began.commit()


class SimTransaction:
    """Stands for ``DatabaseTransaction``. It is logged in with its first exchange."""

    def __init__(self, world: World, database: Database, *, read_only: bool) -> None:
        self._world, self._database, self._read_only = world, database, read_only
        self._changes: list[Callable[[], None]] = []
        self._connected = database.restarts
        self._exchange("login", list)
        self._connected = database.restarts

    def rows(self, statement: str, values: Any = None) -> list[Row]:
        return self._exchange(_first_word(statement), lambda: self._carried_out(statement, values))

    def value(self, statement: str, values: Any = None) -> Any:
        found = self.rows(statement, values)
        return found[0][0] if found else None

    def rows_of_many(self, statement: str, values: Sequence[Row]) -> list[Row]:
        return self._exchange(_first_word(statement), lambda: self._update(statement, values))

    def commit(self) -> None:
        self._exchange("COMMIT", self._commit)

    def _exchange(self, what: str, carry_out: Callable[[], list[Row]]) -> list[Row]:
        def unless_restarted() -> list[Row]:
            if what != "login" and self._connected != self._database.restarts:
                raise ConnectionLostError("server closed the connection unexpectedly")
            return carry_out()

        try:
            return self._world.exchange(f"accounts {what}", unless_restarted, _TIMEOUT, once=True)
        except (NoConnectionError, ConnectionLostError) as error:
            raise psycopg2.OperationalError(str(error)) from None
        except AnswerTimeoutError:
            raise LateError(f"whole answer to {what}", _TIMEOUT, sent=True) from None

    def _carried_out(self, statement: str, values: Any) -> list[Row]:
        if statement == accounts._END_SESSIONS:
            self._change(lambda: self._end_sessions(values[0]))
            return []
        return _READS[statement](self._database, values, self._world.now)

    def _update(self, statement: str, rows: Sequence[Row]) -> list[Row]:
        columns = next(columns for text, columns in _UPDATES.items() if text in statement)
        known = [row for row in rows if row[0] in self._database.accounts]
        self._change(lambda: self._set(columns, known))
        return [(row[0],) for row in known]

    def _change(self, change: Callable[[], None]) -> None:
        if self._read_only:
            raise psycopg2.errors.ReadOnlySqlTransaction("cannot execute UPDATE in a read-only transaction")
        self._changes.append(change)

    def _set(self, columns: Sequence[str], rows: Sequence[Row]) -> None:
        for phone, *values in rows:
            for column, value in zip(columns, values, strict=True):
                setattr(self._database.accounts[phone], column, value)

    def _end_sessions(self, phones: Sequence[str]) -> None:
        self._database.sessions |= {phone: "exit" for phone in phones if phone in self._database.sessions}

    def _commit(self) -> list[Row]:
        for change in self._changes:
            change()
        if self._changes:
            self._world.tell("rows are changed")
        return []


def _first_word(statement: str) -> str:
    return statement.split(maxsplit=1)[0]


def _select(database: Database, values: Sequence[Any], now: float) -> list[Row]:
    found = ((phone, database.accounts[phone]) for phone in values[0] if phone in database.accounts)
    return [
        (phone, one.address.hex(), one.status, one.password_hash, one.language, 0, now - one.created)
        for phone, one in found
    ]


def _last_states(database: Database, values: Mapping[str, Any], now: float) -> list[Row]:
    return [(phone, database.sessions.get(phone)) for phone in values["phones"] if phone in database.accounts]


def _columns(database: Database, values: Sequence[Any], now: float) -> list[Row]:
    return [(name,) for name in sorted(accounts._COLUMNS[values[0]])]


def _true(database: Database, values: Any, now: float) -> list[Row]:
    return [(True,)]


#: The columns that a change sets, beside the phone number, by what is in its text.
_UPDATES = {
    "SET password_hash = new.hash": ("password_hash",),
    "SET status = new.status, preferred_language = new.language": ("status", "language"),
}
_READS: dict[str, Callable[[Database, Any, float], list[Row]]] = {
    accounts._SELECT: _select,
    accounts._LAST_STATES: _last_states,
    accounts._HAS_GUARDIANS: _true,
    accounts._NEWEST_HASHES: lambda database, values, now: [
        (one.password_hash,) for one in list(database.accounts.values())[-50:] if one.password_hash
    ],
    "SELECT count(*) FROM account": lambda database, values, now: [(len(database.accounts),)],
    "SELECT to_regclass(%s) IS NOT NULL": _true,
    "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND NOT attisdropped": _columns,
    "SELECT has_table_privilege(%(table)s, 'SELECT') AND has_table_privilege(%(table)s, 'UPDATE')": _true,
}
