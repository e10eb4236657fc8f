"""Everybody who is asked for gets an account or a reason, whatever happens to callbacks, worker and Redis."""

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import InvalidError, UnavailableError
from cicscenario.sandbox.ports import free_port
from cicscenario.services.custodial import tasks
from cicscenario.services.custodial.accounts import AccountRequests
from cicscenario.services.custodial.client import CustodialClient
from cicscenario.services.custodial.outcome import AccountOutcome, Created, Failed, Lost, Trace
from tests.support.celery_engine import CHAIN, roots, worker
from tests.support.valkey import Valkey
from tests.support.waiting import eventually, soon

RECORDINGS: dict[str, Any] = json.loads(Path(__file__).with_name("custodial_recordings.json").read_text("utf-8"))
SPEC = ChainSpec.parse(CHAIN)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    valkey = Valkey(tmp_path_factory.mktemp("valkey"))
    yield valkey
    valkey.close()


@pytest.fixture(scope="module")
def running(server: Valkey) -> Iterator[Valkey]:
    with worker(server.url):
        yield server


@pytest.fixture
def engine(running: Valkey) -> Iterator[Valkey]:
    """A broker whose queue a worker consumes, without faults."""
    running.client.delete("faults")
    yield running
    running.client.delete("faults")


@pytest.fixture
def accounts(engine: Valkey) -> Iterator[AccountRequests]:
    with CustodialClient(engine.url, SPEC).accounts(str(uuid.uuid4())) as accounts:
        yield accounts


def kinds(outcomes: Mapping[str, AccountOutcome]) -> Counter[str]:
    return Counter(type(found).__name__ for found in outcomes.values())


def keys_of(engine: Valkey, ids: list[str]) -> dict[str, set[bytes]]:
    """The addresses that the engine made for each root id."""
    made: dict[str, set[bytes]] = {root: set() for root in ids}
    for address, root in engine.client.hgetall("keys").items():
        if root in made:
            made[root].add(bytes.fromhex(address))
    return made


def assert_everybody_has_their_own(engine: Valkey, ids: list[str], outcomes: Mapping[str, AccountOutcome]) -> None:
    assert kinds(outcomes) == {"Created": len(ids)}
    assert {root: {found.address} for root, found in outcomes.items() if isinstance(found, Created)} == keys_of(
        engine, ids
    )


def test_everybody_gets_the_address_that_the_engine_made(engine: Valkey, accounts: AccountRequests) -> None:
    ids = roots(100)
    accounts.submit(ids)
    assert_everybody_has_their_own(engine, ids, accounts.wait(ids, soon()))


def test_without_registration_nobody_is_registered(engine: Valkey) -> None:
    ids = roots(3)
    with CustodialClient(engine.url, SPEC).accounts("unregistered", register=False) as accounts:
        accounts.submit(ids)
        found = accounts.wait(ids, soon())
    assert_everybody_has_their_own(engine, ids, found)
    time.sleep(0.2)
    registered = {bytes.fromhex(address) for address in engine.client.smembers("registered")}
    assert not registered & {address for made in keys_of(engine, ids).values() for address in made}


def test_callbacks_that_are_dropped_are_made_up_for_by_the_results(engine: Valkey, accounts: AccountRequests) -> None:
    engine.client.hset("faults", "drop-callback", 40)
    ids = roots(100)
    accounts.submit(ids)
    assert_everybody_has_their_own(engine, ids, accounts.wait(ids, soon()))


def test_without_any_callback_everybody_is_found(engine: Valkey) -> None:
    ids = roots(20)
    closed = f"127.0.0.1:{free_port()}:0"  # the worker cannot reach this
    with CustodialClient(engine.url, SPEC, callback=closed).accounts("nowhere") as accounts:
        accounts.submit(ids)
        assert_everybody_has_their_own(engine, ids, accounts.wait(ids, soon()))


def test_callbacks_that_come_twice_count_once(engine: Valkey, accounts: AccountRequests) -> None:
    engine.client.hset("faults", "duplicate-callback", 100)
    ids = roots(20)
    accounts.submit(ids)
    assert_everybody_has_their_own(engine, ids, accounts.wait(ids, soon()))


def test_a_lock_fails_everybody_at_once_and_says_so(engine: Valkey, accounts: AccountRequests) -> None:
    engine.client.hset("faults", "locked", 4)
    ids = roots(10)
    began = time.monotonic()
    accounts.submit(ids)
    found = accounts.wait(ids, soon())
    assert time.monotonic() - began < 5
    assert {str(one) for one in found.values()} == {
        "in the custodial engine account creation is locked (cic_eth.admin.ctrl.check_lock: LockedError: 4)"
    }


@pytest.mark.parametrize("dropped", [0, 100])
@pytest.mark.parametrize(
    ("fault", "value", "exception"), [("signer-down", "1", "RPCException"), ("chain", "evm:a:1:b", "KeyError")]
)
def test_failures_of_creation_are_known_with_and_without_a_callback(
    engine: Valkey, accounts: AccountRequests, fault: str, value: str, exception: str, dropped: int
) -> None:
    engine.client.hset("faults", mapping={fault: value, "drop-callback": dropped})
    ids = roots(5)
    accounts.submit(ids)
    found = accounts.wait(ids, soon())
    assert {(one.task, one.exception) for one in found.values() if isinstance(one, Failed)} == {
        ("cic_eth.eth.account.create", exception)
    }
    assert kinds(found) == {"Failed": 5}


def test_an_account_that_cannot_be_registered_is_an_account(engine: Valkey, accounts: AccountRequests) -> None:
    engine.client.hset("faults", "no-writer", 1)
    ids = roots(10)
    accounts.submit(ids)
    found = accounts.wait(ids, soon())
    assert kinds(found) == {"Created": 10}
    time.sleep(0.5)  # the second message comes after the first, for people nobody waits for any more
    later = accounts.recover(ids)
    assert {one.unregistered.task for one in later.values() if isinstance(one, Created) and one.unregistered} == {
        "cic_eth.eth.account.register"
    }
    assert kinds(later) == {"Created": 10}


def test_how_far_a_registration_is_can_be_told_without_the_chain(engine: Valkey, accounts: AccountRequests) -> None:
    engine.client.hset("faults", "no-writer", 1)
    failing, ids = roots(5), roots(5)
    accounts.submit(failing)
    eventually(lambda: [bool(one.failed) for one in accounts.registrations(failing).values()] == [True] * 5)
    engine.client.delete("faults")
    accounts.submit(ids)
    eventually(lambda: [bool(one.signed) for one in accounts.registrations(ids).values()] == [True] * 5)
    failed = eventually(lambda: {one.failed.task for one in accounts.registrations(failing).values() if one.failed})
    assert failed == {"cic_eth.eth.account.register"}


def test_accounts_that_were_not_registered_can_be_registered_by_themselves(
    engine: Valkey, accounts: AccountRequests
) -> None:
    custodial = CustodialClient(engine.url, SPEC)
    engine.client.hset("faults", "no-writer", 1)
    ids = roots(10)
    accounts.submit(ids)
    made = [found.address for found in accounts.wait(ids, soon()).values() if isinstance(found, Created)]
    refused = custodial.register(made)
    eventually(
        lambda: [bool(one.failed) for one in custodial.signings(refused, tasks.REGISTER).values()] == [True] * 10
    )
    assert not engine.client.sismember("registered", made[0].hex())
    engine.client.delete("faults")
    taken = custodial.register(made)
    eventually(lambda: all(engine.client.sismember("registered", address.hex()) for address in made))
    eventually(lambda: [bool(one.signed) for one in custodial.signings(taken, tasks.REGISTER).values()] == [True] * 10)


def test_workers_move_with_each_task_of_others_and_not_with_a_question(
    engine: Valkey, accounts: AccountRequests
) -> None:
    """However fast they are: the queue is empty at each look."""
    custodial = CustodialClient(engine.url, SPEC)
    assert custodial.unwell() is None
    before = custodial.activity()
    assert custodial.unwell() is None
    assert custodial.activity() == before
    ids = roots(1)
    accounts.submit(ids)
    accounts.wait(ids, soon())
    assert custodial.activity() != before


@pytest.mark.parametrize("known", [False, True])
def test_a_registration_that_is_announced_as_failed_is_no_failure_of_the_account(alone: Valkey, known: bool) -> None:
    """The key exists. Its address comes with the result of the task before, which a worker may write later."""
    recorded = RECORDINGS["create-account"]
    root, register = recorded["root_id"], "62697332-4ec2-4e75-ad73-86253eb3b847"
    failure = {"exc_type": "IntegrityError", "exc_message": ["x"], "exc_module": "cic_eth.error"}
    entry = recorded["results"][register] | {"status": "FAILURE", "result": failure}
    with CustodialClient(alone.url, SPEC).accounts("announced") as accounts:
        accounts.submit([root])
        if known:
            alone.client.set(f"celery-task-meta-{register}", json.dumps(entry))
        Channel(alone, "announced").say({"root_id": root, "status": 1, "result": register})
        assert kinds(accounts.wait([root], soon(0.5))) == {"Lost": 1}
        for task_id, one in recorded["results"].items():
            alone.client.set(f"celery-task-meta-{task_id}", json.dumps(entry if task_id == register else one))
        found = accounts.wait([root], soon(10))[root]
    assert isinstance(found, Created)
    assert found.unregistered is not None


def test_whoever_was_in_the_queue_is_created_when_a_worker_comes(alone: Valkey) -> None:
    ids = roots(20)
    with CustodialClient(alone.url, SPEC).accounts("late") as accounts:
        accounts.submit(ids)
        assert kinds(accounts.wait(ids, soon(0.2))) == {"Lost": 20}
        with worker(alone.url):
            assert_everybody_has_their_own(alone, ids, accounts.wait(ids, soon()))


def test_a_killed_worker_leaves_those_it_had_begun_without_an_outcome(alone: Valkey) -> None:
    alone.client.hset("faults", "delay", 30)
    ids = roots(1)
    with CustodialClient(alone.url, SPEC).accounts("killed") as accounts:
        with worker(alone.url, 1) as process:
            accounts.submit(ids)
            eventually(lambda: alone.client.exists(f"celery-task-meta-{ids[0]}"))
            eventually(lambda: not alone.client.exists("unacked", "cic-eth"), "waited for the next task to begin")
            process.kill()
            process.wait()
        lost = accounts.wait(ids, soon(0.2))[ids[0]]
    assert isinstance(lost, Lost)
    assert lost.trace is Trace.RUNNING


def test_a_redis_that_restarts_in_the_middle_loses_nobody(alone: Valkey) -> None:
    ids = roots(50)
    found: dict[str, AccountOutcome] = {}
    with CustodialClient(alone.url, SPEC).accounts("restart") as accounts:
        accounts.submit(ids)
        waiting = threading.Thread(target=lambda: found.update(accounts.wait(ids, soon(30))))
        waiting.start()
        alone.stop()
        time.sleep(0.5)
        alone.start()
        with worker(alone.url):
            waiting.join()
    assert_everybody_has_their_own(alone, ids, found)


def test_what_was_called_back_while_nobody_could_hear_is_looked_up_at_once(alone: Valkey) -> None:
    recorded = RECORDINGS["create-account"]
    root = recorded["root_id"]
    with CustodialClient(alone.url, SPEC).accounts("deaf") as accounts:
        accounts.submit([root])
        found: dict[str, AccountOutcome] = {}
        waiting = threading.Thread(target=lambda: found.update(accounts.wait([root], soon(30))))
        waiting.start()
        for task_id, entry in recorded["results"].items():
            alone.client.set(f"celery-task-meta-{task_id}", json.dumps(entry))
        began = time.monotonic()
        alone.client.client_kill_filter(_type="pubsub")
        waiting.join()
        assert time.monotonic() - began < 0.8  # sooner than it would look anyway
    assert found == {root: Created(bytes.fromhex("205810f67b4a0430b29d73f4eafb227972b81ca4"))}


def test_another_process_goes_on_where_one_was_killed(engine: Valkey) -> None:
    ids = roots(20)
    with CustodialClient(engine.url, SPEC).accounts("first") as accounts:
        accounts.submit(ids)
    with CustodialClient(engine.url, SPEC).accounts("first") as accounts:
        assert_everybody_has_their_own(engine, ids, accounts.wait(ids, soon()))


def test_what_was_done_before_a_run_goes_on_is_known_at_once(alone: Valkey) -> None:
    recorded = RECORDINGS["create-account"]
    for task_id, entry in recorded["results"].items():
        alone.client.set(f"celery-task-meta-{task_id}", json.dumps(entry))
    with CustodialClient(alone.url, SPEC).accounts("resumed") as accounts:
        began = time.monotonic()
        found = accounts.wait([recorded["root_id"]], soon())
        assert time.monotonic() - began < 0.8  # sooner than it would look for one it sent itself
    assert found == {recorded["root_id"]: Created(bytes.fromhex("205810f67b4a0430b29d73f4eafb227972b81ca4"))}


def test_many_batches_wait_at_once_on_one_channel(engine: Valkey, accounts: AccountRequests) -> None:
    batches = [roots(50) for _ in range(6)]
    found: dict[str, AccountOutcome] = {}

    def take(ids: list[str]) -> None:
        accounts.submit(ids)
        found.update(accounts.wait(ids, soon(30)))

    threads = [threading.Thread(target=take, args=(ids,)) for ids in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_everybody_has_their_own(engine, [root for ids in batches for root in ids], found)


class Channel:
    """Publishes by hand what the engine would."""

    def __init__(self, valkey: Valkey, name: str) -> None:
        self._valkey = valkey
        self._name = name

    def say(self, message: Any) -> None:
        self._valkey.client.publish(self._name, message if isinstance(message, str) else json.dumps(message))


def test_recorded_callbacks_are_understood(alone: Valkey) -> None:
    success, locked = RECORDINGS["create-account-error-links"], RECORDINGS["create-account-locked-error-links"]
    with CustodialClient(alone.url, SPEC).accounts("recorded") as accounts:
        accounts.submit([success["root_id"], locked["root_id"]])
        for task_id, entry in locked["results"].items():
            alone.client.set(f"celery-task-meta-{task_id}", json.dumps(entry))
        for recorded in (success, locked):
            Channel(alone, "recorded").say(recorded["callbacks"][0])
        found = accounts.wait([success["root_id"], locked["root_id"]], soon(5))
    assert found[success["root_id"]] == Created(bytes.fromhex("0d7bfe0e546fad8fff767d384433a4edb5324272"))
    failed = found[locked["root_id"]]
    assert isinstance(failed, Failed)
    assert (failed.task, failed.exception) == ("cic_eth.admin.ctrl.check_lock", "LockedError")


def test_a_failure_announced_before_its_parents_result_is_known_by_its_own(alone: Valkey) -> None:
    """A worker may write a task's result after its child has failed already."""
    recorded = RECORDINGS["create-account-signer-down-error-links"]
    root = recorded["root_id"]
    with CustodialClient(alone.url, SPEC).accounts("early") as accounts:
        accounts.submit([root])
        for task_id, entry in recorded["results"].items():
            if task_id != root:
                alone.client.set(f"celery-task-meta-{task_id}", json.dumps(entry))
        Channel(alone, "early").say(recorded["callbacks"][0])
        failed = accounts.wait([root], soon(5))[root]
    assert isinstance(failed, Failed)
    assert (failed.task, failed.exception) == ("cic_eth.eth.account.create", "RPCException")


def test_a_failure_announced_before_the_success_keeps_the_account(alone: Valkey) -> None:
    recorded = RECORDINGS["create-account"]
    root, register = recorded["root_id"], "62697332-4ec2-4e75-ad73-86253eb3b847"
    failure = {
        "exc_type": "IntegrityError",
        "exc_message": ['"release" called on key None'],
        "exc_module": "cic_eth.error",
    }
    with CustodialClient(alone.url, SPEC).accounts("order") as accounts:
        accounts.submit([root])
        for task_id, entry in recorded["results"].items():
            change = {"status": "FAILURE", "result": failure} if task_id == register else {}
            alone.client.set(f"celery-task-meta-{task_id}", json.dumps({**entry, **change}))
        Channel(alone, "order").say({"root_id": root, "status": 1, "result": register})
        found = accounts.wait([root], soon(5))[root]
    assert isinstance(found, Created)
    assert found.unregistered is not None


def test_messages_that_make_no_sense_are_passed_over(alone: Valkey) -> None:
    (root,) = roots(1)
    with CustodialClient(alone.url, SPEC).accounts("noise") as accounts:
        accounts.submit([root])
        channel = Channel(alone, "noise")
        for nonsense in (
            "",
            "nonsense",
            "[]",
            "null",
            '{"root_id": []}',
            {"root_id": "somebody-else", "status": 0, "result": "ab" * 20},
        ):
            channel.say(nonsense)
        channel.say({"root_id": root, "status": 0, "result": None})
        assert kinds(accounts.wait([root], soon(0.5))) == {"Lost": 1}
        channel.say({"root_id": root, "status": 0, "result": "ab" * 20})
        assert accounts.wait([root], soon(5)) == {root: Created(b"\xab" * 20)}


def _subscribers(valkey: Valkey) -> set[str]:
    return {client["id"] for client in valkey.client.client_list(_type="pubsub") if client["sub"] != "0"}


def test_a_subscription_that_was_cut_is_taken_up_again(alone: Valkey) -> None:
    ids = roots(1)
    with CustodialClient(alone.url, SPEC).accounts("cut") as accounts:
        accounts.submit(ids)
        before = _subscribers(alone)
        assert alone.client.client_kill_filter(_type="pubsub") == 1
        # the one that was killed may be counted for a moment yet
        eventually(lambda: _subscribers(alone) - before, "waited for somebody to subscribe again")
        Channel(alone, "cut").say({"root_id": ids[0], "status": 0, "result": "cd" * 20})
        assert accounts.wait(ids, soon(5)) == {ids[0]: Created(b"\xcd" * 20)}


def test_nothing_is_sent_to_a_redis_that_is_not_there() -> None:
    port = free_port()
    with (
        CustodialClient(f"redis://:secret-word@127.0.0.1:{port}/0", SPEC, patience=0).accounts("nowhere") as accounts,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("cicscenario.services.custodial.accounts._SUBSCRIBE", 0.5)
        with pytest.raises(UnavailableError) as caught:
            accounts.submit(roots(1))
        assert f"Redis 127.0.0.1:{port}/0 does not answer" in caught.value.message
        assert "secret-word" not in str(caught.value)
        with pytest.raises(UnavailableError):
            accounts.wait(roots(1), soon(1))


def test_nothing_is_sent_before_the_subscription_is_confirmed(alone: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the first callbacks would come before anybody hears them."""
    monkeypatch.setattr("cicscenario.services.custodial.accounts._SUBSCRIBE", 0.5)
    alone.client.acl_setuser("deaf", enabled=True, passwords=["+secret-word"], commands=["+@all"], keys=["*"])
    url = alone.url.replace("redis://", "redis://deaf:secret-word@")
    with CustodialClient(url, SPEC).accounts("deaf") as accounts:
        with pytest.raises(UnavailableError, match="refuses: No permissions"):
            accounts.submit(roots(1))
        assert alone.client.llen("cic-eth") == 0


@pytest.mark.parametrize("channel", ["", "a:b"])
def test_a_channel_that_the_engine_could_not_split_is_refused(alone: Valkey, channel: str) -> None:
    with pytest.raises(InvalidError, match="not a callback channel"):
        CustodialClient(alone.url, SPEC).accounts(channel)
