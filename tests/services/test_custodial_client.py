"""What is wrong with the engine is told apart, and said, before anybody is asked for; keys are asked for in batches."""

import itertools
import json
import signal
import threading
import time
import uuid
from collections.abc import Iterator

import pytest

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import InvalidError, UnavailableError
from cicscenario.sandbox.ports import free_port
from cicscenario.services.custodial.broker import Broker
from cicscenario.services.custodial.client import CustodialClient, EngineToken
from cicscenario.services.custodial.outcome import Failed, Lost, Trace
from cicscenario.services.custodial.workers import count_workers
from tests.support.celery_engine import CHAIN, ENGINE_REGISTRY, ROLES, worker
from tests.support.valkey import Valkey

SPEC = ChainSpec.parse(CHAIN)
TOKEN = EngineToken("GFT", "Giftable Token", bytes.fromhex("32e860c2a0645d1b7b005273696905f5d6dc5d05"), 6)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    valkey = Valkey(tmp_path_factory.mktemp("valkey"))
    with worker(valkey.url):
        yield valkey
    valkey.close()


@pytest.fixture
def engine(server: Valkey) -> Iterator[Valkey]:
    server.client.delete("faults", "keys")
    yield server
    server.client.delete("faults", "keys")


def problem(custodial: CustodialClient, timeout: float = 5) -> UnavailableError:
    with pytest.raises(UnavailableError) as caught:
        custodial.check(timeout)
    assert caught.value.hint
    return caught.value


def test_an_engine_that_is_ready_gives_its_token(engine: Valkey) -> None:
    custodial = CustodialClient(engine.url, SPEC)
    assert custodial.check() == TOKEN
    assert custodial.default_token() == TOKEN


def test_a_redis_that_is_not_there_is_said_at_once() -> None:
    port = free_port()
    began = time.monotonic()
    found = problem(CustodialClient(f"redis://user:secret-word@127.0.0.1:{port}/3", SPEC))
    assert found.message.startswith(f"Redis 127.0.0.1:{port}/3 does not answer")
    assert "secret-word" not in str(found)
    assert time.monotonic() - began < 2


def test_a_redis_that_wants_a_password_is_told_apart(alone: Valkey) -> None:
    alone.client.config_set("requirepass", "secret-word")
    try:
        assert "wants another user name or password" in problem(CustodialClient(alone.url, SPEC)).message
        wrong = alone.url.replace("redis://", "redis://:other-word@")
        found = problem(CustodialClient(wrong, SPEC))
        assert "wants another user name or password" in found.message
        assert "word@" not in str(found)
        right = alone.url.replace("redis://", "redis://:secret-word@")
        assert "no worker takes tasks" in problem(CustodialClient(right, SPEC), 0.3).message
    finally:
        alone.client.config_set("requirepass", "")


def test_a_queue_without_a_worker_is_said_and_left_as_it_was(alone: Valkey) -> None:
    alone.client.lpush("cic-eth", "somebody else's")
    found = problem(CustodialClient(alone.url, SPEC), 0.3)
    assert found.message == (
        f"no worker takes tasks from the queue 'cic-eth' of Redis 127.0.0.1:{alone.port}/0; 1 task waits there"
    )
    assert alone.client.lrange("cic-eth", 0, -1) == ["somebody else's"]


def test_a_worker_that_is_busy_is_not_one_that_is_missing(engine: Valkey) -> None:
    custodial, ids = CustodialClient(engine.url, SPEC), [str(uuid.uuid4()) for _ in range(40)]
    engine.client.hset("faults", "delay", 0.1)
    with custodial.accounts("busy") as accounts:
        accounts.submit(ids)
        time.sleep(0.3)  # until the slow tasks are what is on the queue
        began = time.monotonic()
        assert custodial.check(timeout=0.7) == TOKEN
        assert time.monotonic() - began > 0.7
        accounts.wait(ids, time.monotonic() + 20)


def test_an_engine_that_never_comes_to_the_question_is_not_waited_for_without_an_end(alone: Valkey) -> None:
    """Tasks of others are taken, and pushed, faster than ours come to be the next."""
    ended = threading.Event()

    def others() -> None:
        for number in itertools.count():
            if ended.wait(0.02):
                return
            alone.client.rpush("cic-eth", json.dumps({"headers": {"id": f"other {number}"}}))  # the next to be taken
            if number > 3:
                alone.client.lrem("cic-eth", -1, json.dumps({"headers": {"id": f"other {number - 1}"}}))

    thread = threading.Thread(target=others)
    thread.start()
    try:
        began = time.monotonic()
        found = problem(CustodialClient(alone.url, SPEC, busy=1), 0.2)
        assert time.monotonic() - began < 5
    finally:
        ended.set()
        thread.join(5)
    assert found.message.startswith("the custodial engine is busy: it takes tasks from the queue 'cic-eth' of Redis")
    waiting = [json.loads(text)["headers"]["id"] for text in alone.client.lrange("cic-eth", 0, -1)]
    assert all(name.startswith("other ") for name in waiting)  # the questions were taken back


def test_a_queue_that_another_worker_does_not_take_from_is_said(engine: Valkey) -> None:
    assert (
        "no worker takes tasks from the queue 'other'"
        in problem(CustodialClient(engine.url, SPEC, queue="other"), 0.5).message
    )
    assert engine.client.llen("other") == 0


@pytest.mark.parametrize(
    ("fault", "value", "words"),
    [
        ("locked", "4", "in the custodial engine account creation is locked"),
        ("chain", "evm:other:1:x", f"the custodial engine does not know the chain {CHAIN}: it works on another one"),
        ("signer-down", "1", "the custodial engine cannot reach its signer"),
        ("no-writer", "1", "the custodial engine has no account with the role ACCOUNT_REGISTRY_WRITER"),
        ("no-gifter", "1", "the custodial engine has no account with the role GAS_GIFTER: it can give nobody gas"),
    ],
)
def test_what_would_fail_everybody_is_said_before(engine: Valkey, fault: str, value: str, words: str) -> None:
    engine.client.hset("faults", fault, value)
    assert problem(CustodialClient(engine.url, SPEC)).message.startswith(words)


def test_a_lock_of_all_accounts_is_told_from_none_and_from_no_answer(engine: Valkey, alone: Valkey) -> None:
    custodial = CustodialClient(engine.url, SPEC)
    assert custodial.is_open(16)
    engine.client.hset("faults", "locked", "16")
    assert not custodial.is_open(16)
    assert not CustodialClient(alone.url, SPEC).is_open(16, timeout=0.3)


@pytest.mark.parametrize("role", ["ACCOUNT_REGISTRY_WRITER", "GAS_GIFTER"])
def test_the_advice_for_a_missing_role_can_be_run_as_it_stands(engine: Valkey, role: str) -> None:
    engine.client.hset("faults", "no-gifter" if role == "GAS_GIFTER" else "no-writer", 1)
    hint = str(problem(CustodialClient(engine.url, SPEC)).hint)
    assert f"`cic-eth-tag -i {CHAIN} --set --tag {role} ADDRESS`" in hint
    assert f"`cic-eth-create -i {CHAIN} --no-register`" in hint


def test_an_engine_that_is_ready_tells_of_itself_what_can_be_compared_with_the_chain(engine: Valkey) -> None:
    alone, other = worker(engine.url), worker(engine.url)
    found = CustodialClient(engine.url, SPEC).survey()
    assert found.token == TOKEN
    assert found.registry == bytes.fromhex(ENGINE_REGISTRY.removeprefix("0x"))
    assert found.roles == {role: bytes.fromhex(address) for role, address in ROLES.items()}
    assert (found.waiting, found.workers) == (0, 1)
    assert found.fetched <= 1, "a task of an earlier test may not be acknowledged yet"
    with alone, other:
        assert CustodialClient(engine.url, SPEC).survey().workers == 3
    assert engine.client.keys("*reply.celery.pidbox*") == []


def test_workers_of_other_queues_are_not_counted(engine: Valkey) -> None:
    broker = Broker(engine.url, "cic-eth")
    assert (count_workers(broker), count_workers(broker.beside("cic-ussd"))) == (1, 0)


def test_how_many_workers_there_are_is_not_known_when_none_answers(alone: Valkey) -> None:
    assert count_workers(Broker(alone.url, "cic-eth")) is None


OLDER = ["cic_eth.task.registry", "cic_eth.eth.account.have", "cic_eth.eth.account.role_account"]


def test_what_an_older_version_has_no_task_for_is_not_known_and_no_failure(alone: Valkey) -> None:
    alone.client.hset("faults", "older-version", " ".join([*OLDER, "cic_eth.eth.erc20.default_token"]))
    with worker(alone.url):
        custodial = CustodialClient(alone.url, SPEC)
        found = custodial.survey()
        assert custodial.unwell() is None
        assert custodial.roles() == {}
        assert "does not say what its default token is" in problem_without_hint(custodial)
    assert (found.token, found.registry, found.roles, found.workers) == (None, None, {}, 1)


def problem_without_hint(custodial: CustodialClient) -> str:
    with pytest.raises(UnavailableError) as caught:
        custodial.check()
    return caught.value.message


def test_whether_it_can_sign_is_asked_of_its_signer(engine: Valkey) -> None:
    custodial = CustodialClient(engine.url, SPEC)
    assert custodial.unwell() is None
    engine.client.hset("faults", "signer-down", 1)
    assert str(custodial.unwell()).startswith("the custodial engine cannot reach its signer, which holds the keys")


def test_an_engine_that_is_paused_answers_nothing(alone: Valkey) -> None:
    with worker(alone.url) as process:
        custodial = CustodialClient(alone.url, SPEC)
        assert custodial.unwell() is None
        process.send_signal(signal.SIGSTOP)
        try:
            assert custodial.unwell(0.5)
        finally:
            process.send_signal(signal.SIGCONT)
        assert custodial.unwell() is None


def test_keys_are_asked_for_as_long_as_workers_move(alone: Valkey) -> None:
    """Each answer takes longer than a deadline that is near; they all come."""
    alone.client.hset("faults", mapping={"slow-have": 0.3})
    with worker(alone.url, 1):
        found = CustodialClient(alone.url, SPEC).have([bytes([n]) * 20 for n in range(8)], time.monotonic() + 1)
    assert list(found.values()) == [False] * 8


def test_a_worker_without_the_tasks_is_not_the_engine(alone: Valkey) -> None:
    name = "cic_eth.eth.erc20.default_token"
    failure = {"exc_type": "NotRegistered", "exc_message": [name], "exc_module": "celery.exceptions"}
    custodial = CustodialClient(alone.url, SPEC)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cicscenario.services.custodial.client.uuid.uuid4", lambda: "known")
        alone.client.set("celery-task-meta-known", json.dumps({"status": "FAILURE", "result": failure}))
        with pytest.raises(UnavailableError) as caught:
            custodial.default_token(1)
    assert caught.value.message.startswith(f"the worker on this queue has no task {name}")


def test_keys_that_the_engine_holds_are_told_from_those_it_does_not(engine: Valkey) -> None:
    held = [uuid.uuid4().bytes + b"held" for _ in range(150)]
    strange = [uuid.uuid4().bytes + b"else" for _ in range(150)]
    engine.client.hset("keys", mapping={address.hex(): "x" for address in held})
    mixed = [address for pair in zip(held, strange, strict=True) for address in pair]
    found = CustodialClient(engine.url, SPEC).have(mixed, time.monotonic() + 20)
    assert list(found) == mixed
    assert {address for address, has in found.items() if has is True} == set(held)
    assert {address for address, has in found.items() if has is False} == set(strange)


def test_keys_of_nobody_are_asked_for_without_a_message(engine: Valkey) -> None:
    assert CustodialClient(engine.url, SPEC).have([], time.monotonic() + 1) == {}


def test_an_answer_that_did_not_come_is_no_missing_key(alone: Valkey) -> None:
    address = b"\x01" * 20
    (found,) = CustodialClient(alone.url, SPEC).have([address], time.monotonic() + 0.3).values()
    assert isinstance(found, Lost)
    assert found.trace is Trace.QUEUED
    assert alone.client.llen("cic-eth") == 0


def test_a_question_that_failed_is_no_missing_key(engine: Valkey) -> None:
    engine.client.hset("faults", "signer-down", 1)
    (found,) = CustodialClient(engine.url, SPEC).have([b"\x01" * 20], time.monotonic() + 5).values()
    assert isinstance(found, Failed)
    assert found.exception == "RPCException"


@pytest.mark.parametrize("url", ["127.0.0.1:6379", "amqp://127.0.0.1", "redis://"])
def test_an_address_that_is_none_of_a_redis_is_refused(url: str) -> None:
    with pytest.raises(InvalidError, match="not the address of a Redis broker"):
        CustodialClient(url, SPEC)


@pytest.mark.parametrize(("url", "callback"), [("redis://[::1]:6379/0", None), ("redis://redis/0", "redis:6379")])
def test_a_callback_address_that_the_engine_could_not_split_is_refused(url: str, callback: str | None) -> None:
    with pytest.raises(InvalidError, match="not a callback address"):
        CustodialClient(url, SPEC, callback=callback)


def test_a_redis_that_forbids_is_not_one_that_is_gone(alone: Valkey) -> None:
    alone.client.acl_setuser("guest", enabled=True, passwords=["+secret-word"], commands=["+ping"])
    found = problem(CustodialClient(alone.url.replace("redis://", "redis://guest:secret-word@"), SPEC), 1)
    assert found.message.startswith(f"Redis 127.0.0.1:{alone.port}/0 refuses: ")
    assert "secret-word" not in found.message
