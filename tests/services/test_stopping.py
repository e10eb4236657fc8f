"""Every call of a client ends within a second after the run is stopped, though the server is there and never answers."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import InterruptedRunError
from cicscenario.services.accounts import AccountsDatabase
from cicscenario.services.custodial.client import CustodialClient
from cicscenario.services.meta import MetaClient, Wanted
from cicscenario.services.ussd import UssdClient
from cicscenario.transport.postgres import DatabaseTransaction
from tests.support.celery_engine import CHAIN
from tests.support.openpgp_keys import PASSPHRASE, WRITER
from tests.support.postgres import Postgres
from tests.support.silent_server import assert_ends_with_the_run, silent_server
from tests.support.valkey import Valkey

SPEC = ChainSpec.parse(CHAIN)
POINTERS = [bytes([n]) * 32 for n in range(200)]
ROOT = "5f1d7a10-56b4-4b0e-8a4c-000000000001"
FAR = 3600.0  # seconds


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


@pytest.fixture
def silent() -> Iterator[int]:
    with silent_server() as port:
        yield port


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "call",
    [
        lambda meta: meta.check(),
        lambda meta: meta.get(POINTERS[0]),
        lambda meta: meta.get_many(POINTERS),
        lambda meta: meta.put(POINTERS[0], "text"),
        lambda meta: meta.ensure(Wanted(POINTERS[0], "text")),
        lambda meta: list(meta.ensure_many([Wanted(entry, "text") for entry in POINTERS])),
    ],
    ids=["check", "get", "get_many", "put", "ensure", "ensure_many"],
)
def test_metadata(silent: int, stopping: threading.Event, call: Callable[[MetaClient], object], scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:{silent}"
    with MetaClient(url, key=WRITER, passphrase=PASSPHRASE, timeout=60, stopping=stopping) as meta:
        meta._signer()  # opening a key takes long, and is no wait
        assert_ends_with_the_run(lambda: call(meta), stopping)


def test_metadata_waits_for_its_turn_to_write(silent: int, stopping: threading.Event) -> None:
    """Another client of the same server writes, and does not end with this run."""
    url = f"http://127.0.0.1:{silent}"
    other = MetaClient(url, key=WRITER, passphrase=PASSPHRASE)
    with MetaClient(url, key=WRITER, passphrase=PASSPHRASE, timeout=60, stopping=stopping) as meta:
        meta._signer()
        with other._turn():
            assert_ends_with_the_run(lambda: meta.put(POINTERS[0], "text"), stopping)


def test_metadata_pauses_between_attempts(stopping: threading.Event) -> None:
    meta = MetaClient("http://127.0.0.1:9", stopping=stopping)
    assert_ends_with_the_run(lambda: meta.get(POINTERS[0]), stopping)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "call",
    [
        lambda ussd: ussd.check(),
        lambda ussd: ussd.dial("+254711080002"),
        lambda ussd: ussd.choose_language("+254711080002", "sw"),
    ],
    ids=["check", "dial", "choose_language"],
)
def test_phone_interface(
    silent: int, stopping: threading.Event, call: Callable[[UssdClient], object], scheme: str
) -> None:
    ussd = UssdClient(f"{scheme}://127.0.0.1:{silent}", timeout=60, stopping=stopping)
    assert_ends_with_the_run(lambda: call(ussd), stopping)


def test_nobody_is_dialled_after_the_stop(silent: int, stopping: threading.Event) -> None:
    stopping.set()
    ussd = UssdClient(f"http://127.0.0.1:{silent}", stopping=stopping)
    with pytest.raises(InterruptedRunError):
        ussd.choose_language("+254711080002", "sw")
    assert ussd.requests == 0


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
@pytest.mark.parametrize(
    "call",
    [
        lambda engine: engine.check(FAR),
        lambda engine: engine.default_token(FAR),
        lambda engine: engine.have([b"\x01" * 20], time.monotonic() + FAR),
        lambda engine: engine.register([b"\x01" * 20]),
        lambda engine: engine.gift([b"\x01" * 20]),
    ],
    ids=["check", "default_token", "have", "register", "gift"],
)
def test_custodial_engine_behind_a_silent_redis(
    silent: int, stopping: threading.Event, call: Callable[[CustodialClient], object], scheme: str
) -> None:
    url = f"{scheme}://127.0.0.1:{silent}/0"
    engine = CustodialClient(url, SPEC, timeout=60, patience=FAR, stopping=stopping)
    assert_ends_with_the_run(lambda: call(engine), stopping)


def test_custodial_engine_behind_a_redis_that_is_away(stopping: threading.Event) -> None:
    engine = CustodialClient("redis://127.0.0.1:9/0", SPEC, patience=FAR, stopping=stopping)
    with engine.accounts("away") as accounts:
        assert_ends_with_the_run(lambda: accounts.wait([ROOT], time.monotonic() + FAR), stopping)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A broker without a worker."""
    server = Valkey(tmp_path)
    yield server
    server.close()


@pytest.mark.parametrize(
    "call",
    [
        lambda engine: engine.check(FAR),
        lambda engine: engine.default_token(FAR),
        lambda engine: engine.have([b"\x01" * 20], time.monotonic() + FAR),
    ],
    ids=["check", "default_token", "have"],
)
def test_custodial_engine_without_a_worker(
    valkey: Valkey, stopping: threading.Event, call: Callable[[CustodialClient], object]
) -> None:
    engine = CustodialClient(valkey.url, SPEC, stopping=stopping)
    assert_ends_with_the_run(lambda: call(engine), stopping)
    assert valkey.client.llen("cic-eth") == 0  # the questions were taken back


def test_custodial_accounts_without_a_worker(valkey: Valkey, stopping: threading.Event) -> None:
    with CustodialClient(valkey.url, SPEC, stopping=stopping).accounts("nobody") as accounts:
        accounts.submit([ROOT])
        assert_ends_with_the_run(lambda: accounts.wait([ROOT], time.monotonic() + FAR), stopping)


def test_custodial_accounts_of_a_redis_that_stands_still(valkey: Valkey, stopping: threading.Event) -> None:
    """The connections are there already."""
    engine = CustodialClient(valkey.url, SPEC, timeout=60, patience=FAR, stopping=stopping)
    with engine.accounts("still") as accounts:
        accounts.submit([ROOT])
        assert valkey._process
        os.kill(valkey._process.pid, signal.SIGSTOP)
        try:
            assert_ends_with_the_run(lambda: accounts.wait([ROOT], time.monotonic() + FAR), stopping)
        finally:
            os.kill(valkey._process.pid, signal.SIGCONT)


def test_custodial_accounts_wait_for_a_subscription(silent: int, stopping: threading.Event) -> None:
    with CustodialClient(f"redis://127.0.0.1:{silent}/0", SPEC, stopping=stopping).accounts("never") as accounts:
        assert_ends_with_the_run(lambda: accounts.submit([ROOT]), stopping)


@pytest.mark.parametrize("greeting", [b"", b"N"], ids=["silent", "without TLS"])
def test_accounts_database_that_takes_no_login(stopping: threading.Event, greeting: bytes) -> None:
    with silent_server(greeting) as port:
        accounts = AccountsDatabase("127.0.0.1", port, "cic_ussd", "grassroots", "secret", stopping=stopping)
        assert_ends_with_the_run(lambda: accounts.read(["+254711000001"]), stopping)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        server.execute("CREATE DATABASE cic_ussd")
        server.execute(
            "CREATE TABLE account (phone_number varchar, blockchain_address varchar, status int, password_hash varchar,"
            " preferred_language varchar, failed_pin_attempts int, updated timestamp);"
            "CREATE TABLE ussd_session (id serial, created timestamp, msisdn varchar, state varchar, updated timestamp)",
            database="cic_ussd",
        )
        yield server


def _locked(postgres: Postgres) -> Any:
    import psycopg2

    login = postgres.login("cic_ussd")
    connection = psycopg2.connect(
        host=login["host"], port=login["port"], dbname="cic_ussd", user=login["user"], password=login["password"]
    )
    connection.cursor().execute("LOCK TABLE account IN ACCESS EXCLUSIVE MODE")
    return connection


def test_accounts_database_whose_table_is_locked(postgres: Postgres, stopping: threading.Event) -> None:
    """The statement is cancelled at the server, too: it does not wait there for the lock."""
    accounts = AccountsDatabase(**postgres.login("cic_ussd"), timeout=600, stopping=stopping)
    lock = _locked(postgres)
    try:
        assert_ends_with_the_run(lambda: accounts.set_pins([("+254711000001", "hash")]), stopping)
        cursor = lock.cursor()
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        assert cursor.fetchone() == (0,)
    finally:
        lock.close()


def test_accounts_database_that_stands_still(postgres: Postgres, stopping: threading.Event) -> None:
    """It does not even answer the request to cancel."""
    accounts = AccountsDatabase(**postgres.login("cic_ussd"), timeout=600, stopping=stopping)
    assert postgres._process
    frozen: list[int] = []

    def freeze(transaction: DatabaseTransaction) -> None:
        frozen.extend([postgres_process, *_children(postgres_process)])
        for process in frozen:
            os.kill(process, signal.SIGSTOP)
        transaction.rows("SELECT 1")

    def read() -> None:
        accounts._transact(freeze)

    postgres_process = postgres._process.pid
    try:
        assert_ends_with_the_run(read, stopping)
    finally:
        for process in frozen:
            os.kill(process, signal.SIGCONT)


def _children(parent: int) -> list[int]:
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(process) for process in found]
