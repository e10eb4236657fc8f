"""Every method of every client, against every kind of bad answer.

The outcome is an error of ours or the right value: never an exception of a library, never a failure that is taken for a fact.
When the answers are right again, so is the result, from the same client.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import CicScenarioError
from cicscenario.people import pointer
from cicscenario.services.accounts import AccountsDatabase
from cicscenario.services.custodial.broker import Broker
from cicscenario.services.custodial.client import CustodialClient
from cicscenario.services.custodial.outcome import Created, Failed, Lost
from cicscenario.services.custodial.tasks import REGISTER
from cicscenario.services.meta import MetaClient, Wanted
from cicscenario.services.ussd import UssdClient
from cicscenario.services.ussd_screens import State
from cicscenario.services.ussd_tasks import QUEUE, Creation, UssdTasks
from tests.support.celery_engine import CHAIN, worker
from tests.support.fake_server import FakeServer
from tests.support.openpgp_keys import PASSPHRASE, WRITER
from tests.support.postgres import Postgres
from tests.support.rude_wire import ANY_PROTOCOL, BAD_HTTP, Manner, RudeWire, http, instead, polite
from tests.support.stub_meta import StubMeta
from tests.support.valkey import Valkey

WIRE: dict[str, Manner] = {**ANY_PROTOCOL, "a web server": http("200 OK")}
#: What a proxy or a server that is not well answers to HTTP.
HTTP: dict[str, Manner] = {
    **BAD_HTTP,
    "429": http("429 Too Many Requests", b"", "Retry-After: 0"),
    "500": http("500 Internal Server Error"),
    "502": http("502 Bad Gateway"),
    "503": http("503 Service Unavailable", b"", "Retry-After: 0"),
    "401": http("401 Unauthorized"),
    "null": http("200 OK", b"null"),
    "empty": http("200 OK", b""),
    "half JSON": http("200 OK", b'{"digest": "W1'),
}
REDIS: dict[str, Manner] = {
    "an error": instead(b"-ERR something is wrong\r\n" * 20),
    "loading": instead(b"-LOADING Redis is loading the dataset in memory\r\n" * 20),
    "wrong type": instead(b":7\r\n" * 20),
    "null": instead(b"$-1\r\n" * 20),
    "an odd length": instead(b"$-7\r\n$99999999\r\nab"),
    "a map": instead(b"*-1\r\n" * 20),
}
pytestmark = pytest.mark.slow  # most of the time is waiting for answers that do not come
ADDRESS = bytes.fromhex("c1912fee45d61c87cc5ea59dae31190fffff232d")
PHONE = "+254711223344"
SPEC = ChainSpec.parse(CHAIN)


@dataclass(frozen=True)
class Method:
    """One method of a client: ``call`` makes the call, ``right`` says whether that is the right result."""

    name: str
    call: Callable[[Any], Any]
    right: Callable[[Any], bool]


def walk(wire: RudeWire, client: Any, method: Method, manner: Manner) -> None:
    wire.behave(manner)
    outcome = attempt(lambda: method.call(client))
    assert isinstance(outcome, CicScenarioError) or method.right(outcome), outcome
    wire.behave(polite)
    assert method.right(in_time(lambda: method.call(client)))


def in_time(call: Callable[[], Any]) -> Any:
    """The result of a call that can be answered. Time-outs are short here: when a busy machine is late, it is made again."""
    for _ in range(10):
        try:
            return call()
        except CicScenarioError as error:
            if " within " not in error.message:
                raise
    return call()


def attempt(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except CicScenarioError as error:
        told = error
    assert told.message
    assert "secret" not in told.message
    return told


def each(methods: list[Method], *manners: dict[str, Manner]) -> Any:
    """A test for each method in each manner."""
    cases = [(method, name, manner) for method in methods for group in manners for name, manner in group.items()]
    return pytest.mark.parametrize(
        ("method", "manner"), [pytest.param(m, manner, id=f"{m.name}-{name}") for m, name, manner in cases]
    )


# the metadata server

ENTRY = pointer.phone(PHONE)
VALUE = {"tags": ["ussd"]}
SHORT = {"pauses": (0.0, 0.01, 0.02), "looks": (0.0, 0.02)}
META = [
    Method("check", lambda meta: meta.check(), lambda found: found is None),
    Method("get", lambda meta: meta.get(ENTRY), lambda found: found == VALUE),
    Method(
        "get_many",
        lambda meta: meta.get_many([ENTRY, ENTRY]),
        lambda found: all(one == VALUE or isinstance(one, CicScenarioError) for one in found),
    ),
    Method("put", lambda meta: meta.put(ENTRY, VALUE), lambda found: found is None),
    Method("ensure", lambda meta: meta.ensure(Wanted(ENTRY, VALUE)), lambda found: found in ("present", "written")),
    Method(
        "ensure_many",
        lambda meta: [end for _, end in meta.ensure_many([Wanted(ENTRY, VALUE)])],
        lambda found: found[0] in ("present", "written") or isinstance(found[0], CicScenarioError),
    ),
]


@pytest.fixture(scope="module")
def meta_server() -> Iterator[StubMeta]:
    with StubMeta() as server:
        yield server


@each(META, WIRE, HTTP)
def test_the_metadata_client(meta_server: StubMeta, method: Method, manner: Manner) -> None:
    walk_metadata(meta_server, "one-step", method, manner)


@each([method for method in META if method.name == "put"], WIRE, HTTP)
def test_the_metadata_client_in_two_steps(meta_server: StubMeta, method: Method, manner: Manner) -> None:
    walk_metadata(meta_server, "two-step", method, manner)


def walk_metadata(meta_server: StubMeta, mode: Any, method: Method, manner: Manner) -> None:
    meta_server.values = {ENTRY.hex(): ("", VALUE)}
    with RudeWire(int(meta_server.url.rpartition(":")[2])) as wire:
        options: dict[str, Any] = {"key": WRITER, "passphrase": PASSPHRASE, "mode": mode, "timeout": 0.2} | SHORT
        with closing(MetaClient(f"http://127.0.0.1:{wire.port}", **options)) as client:
            walk(wire, client, method, manner)
            assert client.get_many([ENTRY]) == [VALUE]


# the phone interface


class Phone(FakeServer):
    """Offers the languages to each number, and takes every choice."""

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str] | None:
        text = body.decode()
        if "phoneNumber=%2B25471&" in text:
            return 400, ""
        if text.endswith("text="):
            return 200, "CON Welcome to Sarafu Network!\n1. English\n2. Kiswahili\n3. Kamba\n11. Next\n00. Exit"
        return 200, "END Your account is being created. You will receive an SMS when your account is ready."


USSD = [
    Method("dial", lambda ussd: ussd.dial(PHONE).state, lambda state: state is State.LANGUAGE_MENU),
    Method(
        "choose_language",
        lambda ussd: ussd.choose_language(PHONE, "en").screen.state,
        lambda state: state is State.ACCOUNT_CREATION,
    ),
    Method("dialect", lambda ussd: ussd.dialect(), lambda found: found is None),
]


@pytest.fixture(scope="module")
def phone_server() -> Iterator[Phone]:
    with Phone() as server:
        yield server


@each(USSD, WIRE, HTTP)
def test_the_phone_client(phone_server: Phone, method: Method, manner: Manner) -> None:
    with RudeWire(int(phone_server.url.rpartition(":")[2])) as wire:
        client = UssdClient(
            f"http://127.0.0.1:{wire.port}", username="somebody", password="secret", timeout=0.2, pause=0
        )
        wire.behave(manner)
        outcome = attempt(lambda: method.call(client))
        # a screen that is not known is shown as it is by `dial`; nobody takes it for another
        assert isinstance(outcome, CicScenarioError) or outcome is State.UNKNOWN or method.right(outcome), outcome
        wire.behave(polite)
        assert method.right(in_time(lambda: method.call(client)))


@pytest.mark.parametrize("manner", [*WIRE.values(), *HTTP.values()], ids=[*WIRE, *HTTP])
def test_the_phone_interface_is_asked_for_itself(phone_server: Phone, manner: Manner) -> None:
    with RudeWire(int(phone_server.url.rpartition(":")[2])) as wire:
        client = UssdClient(f"http://127.0.0.1:{wire.port}", timeout=0.2)
        wire.behave(manner)
        outcome = attempt(client.check)
        assert isinstance(outcome, CicScenarioError)


# the account table

ROW = "ab" * 20
TABLES = [
    Method("check", lambda accounts: accounts.check(), lambda found: found is None),
    Method("read", lambda accounts: accounts.read([PHONE]), lambda found: found[PHONE].address == ROW),
    Method("set_pins", lambda accounts: accounts.set_pins([(PHONE, "$2b$08$x")]), lambda found: found == []),
    Method("set_ussd_data", lambda accounts: accounts.set_ussd_data([(PHONE, 2, "en")]), lambda found: found == []),
    Method("last_states", lambda accounts: accounts.last_states([PHONE]), lambda found: found == {PHONE: None}),
    Method("count", lambda accounts: accounts.count(), lambda found: found == 1),
    Method("has_guardians", lambda accounts: accounts.has_guardians(), lambda found: found is False),
    Method("pin_schemes", lambda accounts: accounts.pin_schemes(), lambda found: found == set()),
]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        server.execute(
            "CREATE TABLE account (id serial PRIMARY KEY, blockchain_address varchar NOT NULL, phone_number varchar NOT NULL,"
            " preferred_language varchar, password_hash varchar, failed_pin_attempts integer NOT NULL, status integer NOT NULL,"
            " created timestamp, updated timestamp);"
            "CREATE TABLE ussd_session (id serial PRIMARY KEY, created timestamp, updated timestamp, msisdn varchar,"
            " state varchar)"
        )
        server.execute(
            "INSERT INTO account (blockchain_address, phone_number, failed_pin_attempts, status) VALUES (%s, %s, 0, 1)",
            ROW,
            PHONE,
        )
        yield server


@each(
    TABLES,
    WIRE,
    {
        "an error": instead(b"E\x00\x00\x00\x1fSFATAL\x00C57P03\x00Mstarting up\x00\x00"),
        "a half message": instead(b"R\x00\x00"),
    },
)
def test_the_account_table(postgres: Postgres, method: Method, manner: Manner) -> None:
    with RudeWire(postgres.port) as wire:
        login = postgres.login() | {"port": wire.port}
        walk(wire, AccountsDatabase(**login, timeout=1), method, manner)


# the custodial engine


NOBODY = "5e1f2c3a-0000-4000-8000-000000000001"  # a task that nobody has sent


def recovered(engine: CustodialClient) -> Any:
    """The outcome of an account that nobody has asked for: nothing can be known of it, so that it is lost."""
    with engine.accounts("nobody") as accounts:
        return accounts.recover([NOBODY])


ENGINE = [
    Method("check", lambda engine: engine.check(0.3), lambda token: token.symbol == "GFT"),
    Method("default_token", lambda engine: engine.default_token(0.3), lambda token: token.symbol == "GFT"),
    Method(
        "have",
        lambda engine: engine.have([bytes.fromhex(ROW)], time.monotonic() + 0.3)[bytes.fromhex(ROW)],
        lambda found: found is True or isinstance(found, Lost),
    ),
    Method(
        "survey", lambda engine: engine.survey(0.3), lambda found: found.token.symbol == "GFT" and len(found.roles) == 2
    ),
    Method(
        "unwell",
        lambda engine: engine.unwell(0.3),
        lambda found: found is None or "a task" in found or "tasks" in found,
    ),
    Method("roles", lambda engine: engine.roles(0.3), lambda found: len(found) in (0, 2)),
    Method("activity", lambda engine: engine.activity(), lambda found: found[0] is None or isinstance(found[0], str)),
    Method("register", lambda engine: engine.register([ADDRESS]), lambda found: len(found) == 1),
    Method("gift", lambda engine: engine.gift([ADDRESS]), lambda found: len(found) == 1),
    Method("signings", lambda engine: engine.signings([NOBODY], REGISTER)[NOBODY], lambda found: not found.signed),
    Method("outcomes", lambda engine: engine.outcomes([NOBODY])[NOBODY], lambda found: isinstance(found, Lost)),
    Method(
        "recover",
        recovered,
        lambda found: all(isinstance(last, Lost) for last in found.values()),
    ),
]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as server, worker(server.url):
        server.client.hset("keys", ROW, "1")
        yield server


@each(ENGINE, WIRE, REDIS)
def test_the_custodial_client(redis: Valkey, method: Method, manner: Manner) -> None:
    with RudeWire(redis.port) as wire:
        client = CustodialClient(f"redis://127.0.0.1:{wire.port}/0", SPEC, timeout=0.3, patience=0.3, busy=0)
        walk(wire, client, method, manner)


ROOT = "5e1f2c3a-0000-4000-8000-00000000cafe"  # an account that cic-ussd has asked for
TASKS = [
    Method(
        "creations", lambda tasks: tasks.creations(), lambda found: found == [Creation(ROOT, PHONE, reported=False)]
    ),
    Method("waiting", lambda tasks: tasks.waiting(), lambda found: found == []),
    Method("is_known", lambda tasks: tasks.is_known(), lambda found: found is True),
    Method("left", lambda tasks: tasks.left([ADDRESS]), lambda found: found == {}),
]


@each(TASKS, WIRE, REDIS)
def test_what_the_phone_interface_keeps_in_redis(redis: Valkey, method: Method, manner: Manner) -> None:
    redis.client.set(ROOT, json.dumps({"phone_number": PHONE, "status": "PENDING", "task_uuid": ROOT}))
    redis.client.sadd("_kombu.binding.cic-ussd", "a program")
    with RudeWire(redis.port) as wire:
        broker = Broker(f"redis://127.0.0.1:{wire.port}/0", QUEUE, timeout=0.3, patience=0.3)
        walk(wire, UssdTasks(broker), method, manner)


@pytest.mark.parametrize(
    "entry",
    ["", "null", "[]", "7", '"text"', "{}", '{"status": 5}', '{"status": "SUCCESS"}', '{"status": "SUCCESS", "result": 7}',
     '{"status": "SUCCESS", "result": null, "children": 5}', '{"status": "FAILURE", "result": []}', "\ud7ff{", "{" * 2000,
     '{"status": "SUCCESS", "result": "ab", "children": [[["x", null], null], 7, null, [[]]]}'],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_a_result_entry_that_is_none(redis: Valkey, entry: str) -> None:
    """It tells nothing: the account is neither made nor refused."""
    root = "5e1f2c3a-0000-4000-8000-00000000beef"
    redis.client.set(f"celery-task-meta-{root}", entry)
    client = CustodialClient(redis.url, SPEC, timeout=0.3, patience=0.3, busy=0)
    try:
        with client.accounts("entries") as accounts:
            outcome = attempt(lambda: accounts.recover([root])[root])
    finally:
        redis.client.delete(f"celery-task-meta-{root}")
    assert isinstance(outcome, CicScenarioError | Lost | Failed), outcome
    assert not isinstance(outcome, Created)
