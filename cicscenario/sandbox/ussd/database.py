"""cic-ussd's tables in PostgreSQL. Source: its migrations up to a571d0aee6f8."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg2
import psycopg2.errors
from psycopg2 import sql

from cicscenario.errors import UnavailableError
from cicscenario.sandbox import preparing
from cicscenario.sandbox.ussd.menus import OLD

_log = logging.getLogger(__name__)

_GUARDIANS = "guardians varchar, guardian_quora integer NOT NULL,"
TABLES = """
CREATE TABLE IF NOT EXISTS account (id serial PRIMARY KEY, blockchain_address varchar NOT NULL,
  phone_number varchar NOT NULL, preferred_language varchar, password_hash varchar,
  failed_pin_attempts integer NOT NULL, {guardians} status integer NOT NULL,
  created timestamp NOT NULL, updated timestamp NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS ix_account_blockchain_address ON account (blockchain_address);
CREATE UNIQUE INDEX IF NOT EXISTS ix_account_phone_number ON account (phone_number);
CREATE TABLE IF NOT EXISTS ussd_session (id serial PRIMARY KEY, created timestamp, updated timestamp,
  external_session_id varchar NOT NULL, service_code varchar NOT NULL, msisdn varchar NOT NULL,
  user_input varchar, state varchar NOT NULL, data json, version integer NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS ix_ussd_session_external_session_id ON ussd_session (external_session_id);
CREATE TABLE IF NOT EXISTS task_tracker (id serial PRIMARY KEY, created timestamp, updated timestamp,
  task_uuid varchar NOT NULL);
CREATE TABLE IF NOT EXISTS alembic_version (version_num varchar(32) NOT NULL,
  CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO alembic_version VALUES ('a571d0aee6f8') ON CONFLICT DO NOTHING;
"""
#: cic-ussd does not have this index: without it, each dial reads the sessions of all people.
_INDEX = "CREATE INDEX IF NOT EXISTS sandbox_ussd_session_msisdn ON ussd_session (msisdn, created)"


@dataclass(frozen=True)
class DatabaseAddress:
    """Address and credentials of a database; ``repr`` leaves out the password."""

    host: str
    port: int
    name: str
    user: str
    password: str

    def __repr__(self) -> str:
        return f"{self.name} at {self.host}:{self.port}"


class Database:
    """One connection, opened at the first call, and opened again when it was lost. Each call is one transaction.

    Raises psycopg2.OperationalError or InterfaceError when the server does not answer. Thread-safe.
    """

    def __init__(self, address: DatabaseAddress) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._connection: Any = None

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Runs one statement, or several with semicolons between them; gives the rows of the last one."""
        with self._lock:
            if self._connection is None:
                self._connection = connect(self.address, self.address.name)
            try:
                with self._connection.cursor() as cursor:
                    cursor.execute(statement, values or None)
                    return list(cursor.fetchall()) if cursor.description else []
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                self._close_connection()
                raise

    def _close_connection(self) -> None:
        self._connection.close()
        self._connection = None

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._close_connection()


def connect(address: DatabaseAddress, name: str) -> Any:
    """A connection to the database ``name`` that commits each statement."""
    return preparing.connect(
        host=address.host, port=address.port, user=address.user, password=address.password, dbname=name,
        connect_timeout=10,
    )  # fmt: skip


def prepare(address: DatabaseAddress, dialect: str) -> None:
    """Creates the database and its tables if they do not exist. Raises UnavailableError when that fails."""
    try:
        _create_database(address)
        database = Database(address)
        database.rows(TABLES.format(guardians="" if dialect == OLD else _GUARDIANS) + _INDEX)
        database.close()
    except psycopg2.Error as error:
        raise UnavailableError(
            f"the account database {address!r} cannot be used: {str(error).strip()}",
            hint="is PostgreSQL running there, and are --database and --password-file right?",
        ) from None


def _create_database(address: DatabaseAddress) -> None:
    connection = connect(address, "postgres")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (address.name,))
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(address.name)))
    except psycopg2.errors.DuplicateDatabase:
        _log.info("another process has just created the database %s", address.name)
    finally:
        connection.close()
