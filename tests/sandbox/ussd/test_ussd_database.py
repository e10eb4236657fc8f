"""The tables are cic-ussd's, whose importers write to them by SQL."""

import dataclasses
import uuid
from collections.abc import Iterator

import pytest

from cicscenario.errors import UnavailableError
from cicscenario.sandbox.ports import free_port
from cicscenario.sandbox.ussd.accounts import NewAccount, insert
from cicscenario.sandbox.ussd.database import Database, DatabaseAddress, prepare
from tests.support.postgres import Postgres
from tests.support.ussd_world import database_address

ACCOUNT = [
    ("id", "integer", "NO"), ("blockchain_address", "character varying", "NO"),
    ("phone_number", "character varying", "NO"), ("preferred_language", "character varying", "YES"),
    ("password_hash", "character varying", "YES"), ("failed_pin_attempts", "integer", "NO"),
    ("guardians", "character varying", "YES"), ("guardian_quora", "integer", "NO"), ("status", "integer", "NO"),
    ("created", "timestamp without time zone", "NO"), ("updated", "timestamp without time zone", "NO"),
]  # fmt: skip
SESSION = [
    ("id", "integer", "NO"), ("created", "timestamp without time zone", "YES"),
    ("updated", "timestamp without time zone", "YES"), ("external_session_id", "character varying", "NO"),
    ("service_code", "character varying", "NO"), ("msisdn", "character varying", "NO"),
    ("user_input", "character varying", "YES"), ("state", "character varying", "NO"), ("data", "json", "YES"),
    ("version", "integer", "NO"),
]  # fmt: skip
TRACKER = [
    ("id", "integer", "NO"), ("created", "timestamp without time zone", "YES"),
    ("updated", "timestamp without time zone", "YES"), ("task_uuid", "character varying", "NO"),
]  # fmt: skip


@pytest.fixture
def address(postgres: Postgres) -> DatabaseAddress:
    return database_address(postgres, f"tables_{uuid.uuid4().hex}")


@pytest.fixture
def database(address: DatabaseAddress) -> Iterator[Database]:
    database = Database(address)
    yield database
    database.close()


def columns(database: Database, table: str) -> list[tuple[str, ...]]:
    return database.rows(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s ORDER BY ordinal_position",
        (table,),
    )


def test_the_columns_are_the_real_ones(address: DatabaseAddress, database: Database) -> None:
    prepare(address, "current")
    assert columns(database, "account") == ACCOUNT
    assert columns(database, "ussd_session") == SESSION
    assert columns(database, "task_tracker") == TRACKER
    assert database.rows("SELECT version_num FROM alembic_version") == [("a571d0aee6f8",)]


def test_in_2021_there_were_no_guardians(address: DatabaseAddress, database: Database) -> None:
    prepare(address, "2021")
    assert columns(database, "account") == [column for column in ACCOUNT if not column[0].startswith("guardian")]


def test_address_and_phone_number_and_session_are_unique(address: DatabaseAddress, database: Database) -> None:
    prepare(address, "current")
    unique = database.rows(
        "SELECT indexname FROM pg_indexes WHERE indexdef LIKE 'CREATE UNIQUE%%' AND indexname LIKE 'ix%%'"
    )
    assert {name for (name,) in unique} == {
        "ix_account_blockchain_address", "ix_account_phone_number", "ix_ussd_session_external_session_id",
    }  # fmt: skip


def test_preparing_again_keeps_what_is_there(address: DatabaseAddress, database: Database) -> None:
    prepare(address, "current")
    insert(database, [NewAccount("ab" * 20, "+254711000001")], "current")
    prepare(address, "current")
    assert database.rows("SELECT phone_number FROM account") == [("+254711000001",)]


def test_whom_an_index_refuses_stays_out_and_the_others_go_in(address: DatabaseAddress, database: Database) -> None:
    prepare(address, "current")
    first, same_phone, same_address, other = (
        NewAccount("aa" * 20, "+254711000001"), NewAccount("bb" * 20, "+254711000001"),
        NewAccount("aa" * 20, "+254711000002"), NewAccount("cc" * 20, "+254711000003"),
    )  # fmt: skip
    assert insert(database, [first, same_phone, same_address, other], "current") == {first, other}
    assert insert(database, [first], "current") == set()


def test_statements_sent_together_are_one_transaction(address: DatabaseAddress, database: Database) -> None:
    prepare(address, "current")
    with pytest.raises(Exception, match="division by zero"):
        database.rows(
            "SET LOCAL synchronous_commit TO off; INSERT INTO task_tracker (task_uuid) VALUES ('x'); SELECT 1/0"
        )
    assert database.rows("SELECT count(*) FROM task_tracker") == [(0,)]


def test_a_missing_server_is_named_and_its_password_is_not(address: DatabaseAddress) -> None:
    away = dataclasses.replace(address, port=free_port(), password="very-secret")
    with pytest.raises(UnavailableError) as failure:
        prepare(away, "current")
    assert f"{address.name} at 127.0.0.1:{away.port}" in failure.value.message
    assert "very-secret" not in failure.value.message
    assert "very-secret" not in repr(away)
