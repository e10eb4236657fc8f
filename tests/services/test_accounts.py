"""The account table of cic-ussd gets PINs, states and languages in single statements; nobody is passed over silently."""

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest

from cicscenario.errors import InvalidError, UnavailableError
from cicscenario.services.accounts import AccountRow, AccountsDatabase, AccountStatus
from tests.support.postgres import PASSWORD, Postgres

#: As cic-ussd's migrations make it, today and in 2021.
GUARDIANS = "guardians varchar, guardian_quora integer NOT NULL, "
TABLE = (
    "CREATE TABLE account (id serial PRIMARY KEY, blockchain_address varchar NOT NULL, phone_number varchar NOT NULL,"
    " preferred_language varchar, password_hash varchar, failed_pin_attempts integer NOT NULL, {guardians}"
    "status integer NOT NULL, created timestamp NOT NULL, updated timestamp NOT NULL);"
    "CREATE UNIQUE INDEX ix_account_blockchain_address ON account(blockchain_address);"
    "CREATE UNIQUE INDEX ix_account_phone_number ON account(phone_number);"
    "CREATE TABLE ussd_session (id serial PRIMARY KEY, created timestamp, updated timestamp, external_session_id varchar"
    " NOT NULL, service_code varchar NOT NULL, msisdn varchar NOT NULL, user_input varchar, state varchar NOT NULL,"
    " data json, version integer NOT NULL)"
)
PHONES = [f"+25471100{n:04}" for n in range(1, 1001)]
PIN_HASH = "$2b$08$abcdefghijklmnopqrstuuxK63Ig36twWcwokXH3TrjY0dIY5tfmG"
LONG_AGO = datetime.fromisoformat("2021-01-01")  # the column has no zone


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(params=["with guardians", "of 2021"])
def database(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a database with a thousand people in it."""
    name = "cic_ussd"
    old = request.param == "of 2021"
    postgres.execute(f"CREATE DATABASE {name}")
    postgres.execute(TABLE.format(guardians="" if old else GUARDIANS), database=name)
    postgres.execute(
        f"INSERT INTO account (blockchain_address, phone_number, failed_pin_attempts, status, created, updated"
        f"{'' if old else ', guardian_quora'}) SELECT lpad(to_hex(n), 40, '0'), '+25471100' || lpad(n::text, 4, '0'), 0, 1, "
        f"%s, %s {'' if old else ', 1'} FROM generate_series(1, 1000) AS n",
        LONG_AGO, LONG_AGO, database=name,
    )  # fmt: skip
    yield name
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def accounts(postgres: Postgres, database: str) -> AccountsDatabase:
    return AccountsDatabase(**postgres.login(database))


def statements(postgres: Postgres) -> int:
    """UPDATE statements that the server has logged."""
    return postgres.log.read_text("utf-8", "replace").count("UPDATE account SET")


def test_a_row_is_read_as_it_is_there(accounts: AccountsDatabase) -> None:
    accounts.check()
    assert accounts.read(PHONES[:1]) == {PHONES[0]: AccountRow("1".rjust(40, "0"), 1, None, None, 0)}


def test_pins_are_set_and_the_unknown_are_named(accounts: AccountsDatabase) -> None:
    pins = [(phone, f"hash of {phone}") for phone in ["+254799000001", *PHONES, "+254799000002"]]
    assert accounts.set_pins(pins) == ["+254799000001", "+254799000002"]
    found = accounts.read(phone for phone, _ in pins)
    assert {phone: row.password_hash for phone, row in found.items()} == {p: f"hash of {p}" for p in PHONES}
    assert {row.status for row in found.values()} == {1}


def test_states_and_languages_are_set_without_blanks(accounts: AccountsDatabase) -> None:
    rows = [(PHONES[0], AccountStatus.ACTIVE, " en"), (PHONES[1], 1, "sw"), ("+254799000001", 2, "en")]
    assert accounts.set_ussd_data(rows) == ["+254799000001"]
    found = accounts.read(PHONES[:3])
    assert [(found[p].status, found[p].preferred_language) for p in PHONES[:3]] == [(2, "en"), (1, "sw"), (1, None)]
    assert {row.password_hash for row in found.values()} == {None}


def test_nobody_else_is_touched_and_the_time_is_utc(
    accounts: AccountsDatabase, postgres: Postgres, database: str
) -> None:
    postgres.execute(f"ALTER DATABASE {database} SET timezone TO 'Africa/Nairobi'")
    accounts.set_pins([(PHONES[4], PIN_HASH)])
    rows = postgres.execute("SELECT phone_number, updated FROM account WHERE updated <> created", database=database)
    ((phone, updated),) = rows
    assert phone == PHONES[4]
    assert abs(datetime.now(UTC).replace(tzinfo=None) - updated) < timedelta(minutes=1)


SESSION = (
    "INSERT INTO ussd_session (created, external_session_id, service_code, msisdn, state, version)"
    " VALUES (%s, %s, '*483*46#', %s, %s, 1)"
)


@pytest.mark.parametrize("given", ["PIN", "status"])
def test_the_last_session_of_who_is_given_something_is_over_and_no_other(
    accounts: AccountsDatabase, postgres: Postgres, database: str, given: str
) -> None:
    """The next dial would go on at the PIN entry that it was left at."""
    for minute, phone in enumerate([PHONES[0], PHONES[1], PHONES[0]]):
        when = LONG_AGO + timedelta(minutes=minute)
        postgres.execute(SESSION, when, str(minute), phone, "initial_pin_entry", database=database)
    if given == "PIN":
        accounts.set_pins([(PHONES[0], PIN_HASH), (PHONES[2], PIN_HASH)])
    else:
        accounts.set_ussd_data([(PHONES[0], 2, "sw"), (PHONES[2], 2, "sw")])
    rows = postgres.execute("SELECT state FROM ussd_session ORDER BY created", database=database)
    assert [state for (state,) in rows] == ["initial_pin_entry", "initial_pin_entry", "exit"]


def test_a_batch_is_one_statement(accounts: AccountsDatabase, postgres: Postgres, database: str) -> None:
    postgres.execute(f"ALTER DATABASE {database} SET log_statement TO 'mod'")
    before = statements(postgres)
    accounts.set_pins([(phone, PIN_HASH) for phone in PHONES])
    assert statements(postgres) == before + 1
    accounts.set_ussd_data([(phone, 2, "sw") for phone in PHONES])
    assert statements(postgres) == before + 2


def test_the_server_refuses_a_write_where_the_client_only_reads(
    accounts: AccountsDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = accounts.read(PHONES[:1])
    with monkeypatch.context() as patched:
        patched.setattr(
            "cicscenario.services.accounts._SELECT", "UPDATE account SET status = 4 WHERE phone_number = ANY(%s)"
        )
        with pytest.raises(UnavailableError, match="read-only transaction"):
            accounts.read(PHONES[:1])
    assert accounts.read(PHONES[:1]) == before


def test_setting_again_changes_nothing_else(accounts: AccountsDatabase) -> None:
    rows = [(phone, PIN_HASH) for phone in PHONES[:10]]
    assert accounts.set_pins(rows) == accounts.set_pins(rows) == []
    assert {row.password_hash for row in accounts.read(PHONES[:10]).values()} == {PIN_HASH}


def test_nothing_is_nothing(accounts: AccountsDatabase) -> None:
    assert accounts.set_pins([]) == []
    assert accounts.set_ussd_data([]) == []
    assert accounts.read([]) == {}


def test_a_number_that_is_there_twice_is_refused_and_nothing_is_set(accounts: AccountsDatabase) -> None:
    with pytest.raises(InvalidError, match=r"\+254711000002 is given twice"):
        accounts.set_pins([(PHONES[0], "a"), (PHONES[1], "b"), (PHONES[1], "c")])
    assert accounts.read(PHONES[:1])[PHONES[0]].password_hash is None


@pytest.mark.parametrize(
    ("status", "language", "message"),
    [(0, "en", "no account status 0"), (5, "en", "no account status 5"), (2, " ", "the language is empty")],
)
def test_a_state_that_does_not_exist_is_refused(status: int, language: str, message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        AccountsDatabase("127.0.0.1", 9, "x", "x", "x").set_ussd_data([(PHONES[0], status, language)])


def test_hostile_text_is_data(accounts: AccountsDatabase) -> None:
    hostile = "'); DROP TABLE account; -- %s"
    assert accounts.set_pins([(PHONES[0], hostile), (hostile, "x")]) == [hostile]
    assert accounts.read([PHONES[0], hostile])[PHONES[0]].password_hash == hostile


def test_a_restarted_server_is_used_again(accounts: AccountsDatabase, postgres: Postgres) -> None:
    accounts.check()
    postgres.stop()
    with pytest.raises(UnavailableError, match=f"database 127.0.0.1:{postgres.port}/cic_ussd failed: "):
        accounts.read(PHONES[:1])
    postgres.start()
    assert len(accounts.read(PHONES)) == 1000


def test_a_locked_table_ends_in_an_error_and_nothing_is_set(
    accounts: AccountsDatabase, postgres: Postgres, database: str
) -> None:
    impatient = AccountsDatabase(**postgres.login(database), timeout=1)
    with closing(psycopg2.connect(**postgres.login(database))) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE account IN EXCLUSIVE MODE")
        relief = threading.Timer(8, holder.close)  # an endless wait would be one in C, which no timeout of pytest ends
        relief.start()
        with pytest.raises(UnavailableError, match="statement timeout") as caught:
            impatient.set_pins([(PHONES[0], PIN_HASH)])
        relief.cancel()
    assert "does another program hold a lock" in str(caught.value.hint)
    assert accounts.read(PHONES[:1])[PHONES[0]].password_hash is None


def test_the_newest_session_is_told_and_its_absence_too(
    accounts: AccountsDatabase, postgres: Postgres, database: str
) -> None:
    for minute, (phone, state) in enumerate(
        [(PHONES[0], "initial_pin_entry"), (PHONES[1], "help"), (PHONES[0], "exit")]
    ):
        when = LONG_AGO + timedelta(minutes=minute)
        postgres.execute(SESSION, when, str(minute), phone, state, database=database)
    assert accounts.last_states([*PHONES[:3], "+254799000001"]) == {
        PHONES[0]: "exit",
        PHONES[1]: "help",
        PHONES[2]: None,
    }
    assert accounts.last_states([]) == {}


def test_the_table_of_2021_is_told_by_its_columns(accounts: AccountsDatabase, request: pytest.FixtureRequest) -> None:
    assert accounts.has_guardians() is ("with guardians" in request.node.name)


def test_the_schemes_of_the_newest_hashes_are_told(accounts: AccountsDatabase) -> None:
    assert accounts.pin_schemes() == set()
    accounts.set_pins([(PHONES[0], "0e1ba61e2d2a4b1ca04bc9ab1d5a4a41"), (PHONES[1], PIN_HASH)])
    assert accounts.pin_schemes() == {"bcrypt"}
    accounts.set_pins([(phone, "gAAAAABgf_rAAAECAwQFBg==") for phone in PHONES[2:52]])
    assert accounts.pin_schemes() == {"fernet"}


def test_the_age_of_a_row_is_told(accounts: AccountsDatabase, postgres: Postgres, database: str) -> None:
    postgres.execute(f"ALTER DATABASE {database} SET timezone TO 'Africa/Nairobi'")
    hour_ago = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)
    postgres.execute("UPDATE account SET created = %s", hour_ago, database=database)
    assert abs(accounts.read(PHONES[:1])[PHONES[0]].age - 3600) < 60


# Databases that are not there, or not the right one


def test_a_wrong_password_is_an_error_that_does_not_show_it(postgres: Postgres) -> None:
    login = postgres.login() | {"password": "wrong-and-secret"}
    with pytest.raises(UnavailableError, match="password authentication failed") as caught:
        AccountsDatabase(**login).check()
    assert f"127.0.0.1:{postgres.port}/postgres" in caught.value.message
    assert "wrong-and-secret" not in str(caught.value)
    assert PASSWORD not in repr(AccountsDatabase(**postgres.login()))


def test_a_message_that_repeats_the_password_is_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise psycopg2.OperationalError('invalid value "hunter2" in URI')

    monkeypatch.setattr(psycopg2, "connect", refuse)
    with pytest.raises(UnavailableError, match=r'invalid value "\*\*\*" in URI'):
        AccountsDatabase("localhost", 5432, "cic_ussd", "grassroots", "hunter2").check()


def test_a_server_that_is_missing_says_where() -> None:
    with pytest.raises(UnavailableError, match=r"database 127\.0\.0\.1:9/cic_ussd .*[Cc]onnection refused"):
        AccountsDatabase("127.0.0.1", 9, "cic_ussd", "grassroots", "x").check()


def test_a_database_that_does_not_exist_says_so(postgres: Postgres) -> None:
    with pytest.raises(UnavailableError, match='database "elsewhere" does not exist'):
        AccountsDatabase(**postgres.login("elsewhere")).check()


def test_a_database_of_something_else_says_so(postgres: Postgres) -> None:
    with pytest.raises(UnavailableError, match="has no table `account`"):
        AccountsDatabase(**postgres.login()).check()


def test_a_table_that_lacks_a_column_says_which(accounts: AccountsDatabase, postgres: Postgres, database: str) -> None:
    postgres.execute("ALTER TABLE account DROP COLUMN password_hash, DROP COLUMN status", database=database)
    with pytest.raises(UnavailableError, match="has no column password_hash, status"):
        accounts.check()


def test_a_user_who_may_only_read_is_told(postgres: Postgres, database: str) -> None:
    postgres.execute("DROP ROLE IF EXISTS reader")
    postgres.execute("CREATE ROLE reader LOGIN PASSWORD 'x'")
    postgres.execute("GRANT SELECT ON account, ussd_session TO reader", database=database)
    reader = AccountsDatabase(**postgres.login(database) | {"user": "reader", "password": "x"})
    for table in ("account", "ussd_session"):
        with pytest.raises(UnavailableError, match=f"user reader may not read and change table `{table}`") as caught:
            reader.check()
        assert caught.value.hint == "GRANT SELECT, UPDATE ON account, ussd_session TO the user"
        postgres.execute(f"GRANT UPDATE ON {table} TO reader", database=database)
    reader.check()
    reader.set_pins([(PHONES[0], PIN_HASH)])
