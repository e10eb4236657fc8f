"""What Celery's own clients can ask of the engine: chords, tokens and who vouches for them, remote control."""

import base64
import gc
import hashlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import celery
import pytest

from cicscenario.sandbox.custodial.chords import ChordBackend, backend_url
from tests.support.running_engine import CHAIN_SPEC, QUEUE, RunningEngine
from tests.support.waiting import PATIENCE, eventually

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "chord_of_celery_4_4.json").read_text())
SYMBOL_PROOF = hashlib.sha256(b"GFT").hexdigest()
TOKEN_PROOF = hashlib.sha256(
    b'{"description":"Community support","issuer":"cicscenario","namespace":"ge","proofs":[],"version":0}'
).hexdigest()


@pytest.fixture(autouse=True)
def _no_results_left(engine: RunningEngine) -> Iterator[None]:
    """Each that nobody asks for any more talks to the engine's Redis when it is deleted: before that is gone."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def account(engine: RunningEngine) -> str:
    """An account that the faucet has paid."""
    with engine.listen() as listener:
        engine.create()
        (message,) = listener.wait(1)
    eventually(lambda: engine.are_done([message["result"]]))
    return str(message["result"])


def expected(engine: RunningEngine) -> list[dict[str, Any]]:
    assert engine.contracts.faucet is not None
    token = engine.contracts.token.address.hex()
    balances = {"balance_network": engine.contracts.faucet.amount, "balance_incoming": 0, "balance_outgoing": 0}
    return [{"address": token, "converters": [], **balances}]


def client(engine: RunningEngine) -> celery.Celery:
    broker = engine.environment["custodial"]["broker"]
    return celery.Celery("cic-ussd", broker=broker, backend=broker, set_as_current=False)


def test_a_chord_of_a_celery_5_client_gives_the_balances_of_the_start_menu(engine: RunningEngine, account: str) -> None:
    """The composition of ``cic_eth.api.Api.balance``, which the phone interface waits for."""
    app = client(engine)

    def task(name: str, *arguments: Any) -> celery.Signature:
        return app.signature(name, args=arguments, queue=QUEUE)

    tokens = task("cic_eth.eth.erc20.resolve_tokens_by_symbol", ["GFT"], CHAIN_SPEC)
    parts = [
        celery.chain(tokens, task(name, account, CHAIN_SPEC))
        for name in (
            "cic_eth.eth.erc20.balance", "cic_eth.queue.balance.balance_incoming",
            "cic_eth.queue.balance.balance_outgoing",
        )
    ]  # fmt: skip
    body = task("cic_eth.queue.balance.assemble_balances")
    assert celery.chord(parts, app=app)(body).get(timeout=PATIENCE) == expected(engine)
    assert celery.chord(parts[:1], app=app)(body).get(timeout=PATIENCE)[0]["balance_network"] > 0
    app.close()


def replayed(engine: RunningEngine, holder: str) -> str:
    """Pushes a recorded chord of Celery 4.4.7 with new ids; gives the id of the task that ends it."""
    texts = [(json.loads(text), base64.b64decode(json.loads(text)["body"]).decode()) for text in RECORDED["messages"]]
    whole = json.dumps([message | {"body": body} for message, body in texts])
    for old in sorted({each for each in _words(whole) if len(each) == 36}):
        whole = whole.replace(old, str(uuid.uuid4()) if old != RECORDED["result"] else RECORDED["result"])
    result = str(uuid.uuid4())
    for message in json.loads(whole.replace(RECORDED["result"], result).replace(RECORDED["holder"], holder)):
        message["body"] = base64.b64encode(message["body"].encode()).decode()
        engine.redis.lpush(QUEUE, json.dumps(message))
    return result


def _words(text: str) -> list[str]:
    import re

    return re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", text)


def test_a_chord_that_celery_4_4_sent_is_completed_too(engine: RunningEngine, account: str) -> None:
    result = replayed(engine, account)
    entry = engine.entry(result)
    assert (entry["status"], entry["result"]) == ("SUCCESS", expected(engine))
    eventually(lambda: not list(engine.redis.scan_iter("celery-taskset-meta-*.j", 1000)), "join counters are deleted")


def test_the_size_in_a_chords_last_task_does_not_replace_the_size_that_a_client_wrote(engine: RunningEngine) -> None:
    """A Celery 5 client writes it to Redis, where it can have grown."""
    app = celery.Celery(backend=backend_url(engine.environment["custodial"]["broker"]), set_as_current=False)
    assert isinstance(app.backend, ChordBackend)
    group = str(uuid.uuid4())
    app.backend.set_chord_size(group, 5)
    request = celery.app.task.Context(id=str(uuid.uuid4()), group=group, group_index=0)
    request.chord = {"task": "t", "args": [], "kwargs": {}, "options": {}, "subtask_type": None, "chord_size": 1}
    app.backend.on_chord_part_return(request, "SUCCESS", 1)
    assert engine.redis.get(f"celery-taskset-meta-{group}.s") == b"5"
    assert engine.redis.zcard(f"celery-taskset-meta-{group}.j") == 1, "it still waits"
    app.close()


def verified(engine: RunningEngine, *proofs: str) -> dict[str, Any]:
    """Asks as ``cic_eth.api.Api.tokens`` does; gives the entry of the check of the default token's proofs."""
    resolve = engine.signature("cic_eth.eth.erc20.resolve_tokens_by_symbol", ["GFT"], CHAIN_SPEC)
    info = engine.signature("cic_eth.eth.erc20.token_info", CHAIN_SPEC, [list(proofs)])
    destination = f"127.0.0.1:{engine.port}:0:{engine.channel}"
    good, bad = (engine.signature("cic_eth.callbacks.redis.redis", destination, code) for code in (0, 1))
    info.link(engine.signature("cic_eth.eth.erc20.verify_token_info", CHAIN_SPEC, good, bad))
    resolve.link(info)
    entry: dict[str, Any] = engine.entry(str(resolve.apply_async().id))
    for _ in range(3):
        ((child, _),) = entry["children"]
        entry = engine.entry(child[0])
    return entry


def test_a_token_is_described_and_those_who_vouch_for_it_are_named(engine: RunningEngine) -> None:
    address = engine.contracts.token.address
    with engine.listen() as listener:
        entry = verified(engine, TOKEN_PROOF, SYMBOL_PROOF)
        (message,) = listener.wait(1)
    described, proofs = entry["result"]
    assert described == {
        "decimals": 6, "name": "Giftable Token", "symbol": "GFT", "address": address.hex(),
        "proofs": [SYMBOL_PROOF, TOKEN_PROOF, SYMBOL_PROOF], "converters": [],
    }  # fmt: skip
    owner = engine.rpc.call("eth_call", {"to": "0x" + engine.contracts.registry.hex(), "data": "0x8da5cb5b"}, "latest")
    assert {proof: [name.lower() for name in names] for proof, names in proofs.items()} == {
        SYMBOL_PROOF: [f"0x{owner[-40:]}"],
        TOKEN_PROOF: [f"0x{owner[-40:]}"],
    }
    assert (message["status"], message["result"]) == (0, [described, proofs])


def test_a_proof_that_nobody_declared_is_refused_to_the_error_callback(engine: RunningEngine) -> None:
    with engine.listen() as listener:
        entry = verified(engine, "ab" * 32)
        (message,) = listener.wait(1)
    refused = entry["result"]
    assert (refused["exc_type"], refused["exc_module"]) == ("TrustError", "cic_eth.error")
    assert refused["exc_message"] == [[engine.contracts.token.address.hex(), "ab" * 32]]
    assert message["status"] == 1


def test_celerys_remote_control_tells_the_worker_its_processes_and_its_queue(engine: RunningEngine) -> None:
    app = client(engine)
    asked = app.control.inspect(timeout=10, limit=1)
    assert list(app.control.ping(timeout=10, limit=1)) == [{"celery@cic-eth": {"ok": "pong"}}]
    stats = asked.stats()["celery@cic-eth"]
    assert (stats["pool"]["max-concurrency"], stats["prefetch_count"]) == (2, 8)
    assert [queue["name"] for queue in asked.active_queues()["celery@cic-eth"]] == [QUEUE]
    assert asked.active()["celery@cic-eth"] == []
    assert "cic_eth.eth.account.register" in asked.registered()["celery@cic-eth"]
    app.close()


def status(engine: RunningEngine, task: Any) -> str:
    entry = engine.redis.get(f"celery-task-meta-{task.id}")
    return str(json.loads(entry)["status"]) if entry else "PENDING"


def test_tasks_are_revoked_too_late_for_later_and_of_all_priorities_as_with_any_worker(engine: RunningEngine) -> None:
    app, health = client(engine), engine.signature("cic_eth.task.check_health", 1)
    later, revoked = health.apply_async(countdown=4), health.apply_async(countdown=3)
    assert engine.entry(health.apply_async(priority=9).id)["result"] == 1
    assert engine.entry(health.apply_async(expires=-1).id)["result"]["exc_message"] == ["expired"]
    (scheduled,) = app.control.inspect(timeout=10, limit=1).scheduled().values()
    assert {each["request"]["id"] for each in scheduled} == {later.id, revoked.id}
    assert {json.loads(text)[0]["headers"]["id"] for text in engine.redis.hvals("unacked")} == {later.id, revoked.id}
    (answer,) = app.control.revoke(revoked.id, reply=True, timeout=10, limit=1)
    assert "flagged as revoked" in answer["celery@cic-eth"]["ok"]
    assert status(engine, later) == "PENDING"
    eventually(lambda: status(engine, later) == "SUCCESS")
    assert status(engine, revoked) == "REVOKED"
    eventually(lambda: not engine.redis.exists("unacked", "unacked_index"))
    app.close()


def test_a_command_that_the_worker_does_not_know_is_refused_and_it_goes_on(engine: RunningEngine) -> None:
    app = client(engine)
    (answer,) = app.control.add_consumer("another", reply=True, timeout=10, limit=1)
    assert "does not know this command" in answer["celery@cic-eth"]["error"]
    assert engine.ask("cic_eth.task.check_health", 1)["status"] == "SUCCESS"
    app.close()
