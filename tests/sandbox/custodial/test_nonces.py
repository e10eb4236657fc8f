"""A nonce that was reserved and never used: everything behind it waits for ever, until an operator fills the hole."""

import json
import re
import shlex
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from cicscenario.chain.abi import to_hex
from tests.support.engine_processes import processes
from tests.support.running_engine import CHAIN_SPEC, QUEUE, RunningEngine
from tests.support.sandboxes import send_from
from tests.support.waiting import eventually

WRITER, GIFTER = "ACCOUNT_REGISTRY_WRITER", "GAS_GIFTER"
DOWN = "URLError(ConnectionRefusedError(111, 'Connection refused'))"


def create(engine: RunningEngine, count: int = 1) -> list[str]:
    """Creates accounts and gives their addresses, once the engine has done for them all that it can."""
    with engine.listen() as listener:
        roots = [engine.create() for _ in range(count)]
        found = {message["root_id"]: message["result"] for message in listener.wait(count)}
    eventually(engine.is_at_rest)
    return [found[root] for root in roots]


def registration(engine: RunningEngine, account: str) -> str | None:
    """The status of the transaction that registers an account; None when there is none."""
    rows = engine.rows(f"SELECT status FROM otx WHERE purpose = 'register' AND account = '{account}' ORDER BY id")
    return rows[-1][0] if rows else None


def standstill(engine: RunningEngine, address: str, seconds: float = 2.0) -> bool:
    """Whether the account's transactions stand although some were sent."""
    before = engine.nonce_of(address)
    time.sleep(seconds)
    waiting = engine.rows(f"SELECT count(*) FROM otx WHERE sender = '{address}' AND status = 'sent'")
    return engine.nonce_of(address) == before and waiting[0][0] > 0


def test_a_nonce_is_reserved_once_by_each_tree_and_the_next_tree_gets_the_next(engine: RunningEngine) -> None:
    address = "1c" * 20
    first = engine.signature("cic_eth.eth.nonce.reserve_nonce", address, CHAIN_SPEC)
    first.link(engine.signature("cic_eth.eth.nonce.reserve_nonce", CHAIN_SPEC))
    root = str(first.apply_async().id)
    (child,) = engine.entry(root)["children"]
    refused = engine.entry(child[0][0])["result"]
    assert (refused["exc_type"], refused["exc_module"]) == ("IntegrityError", "cic_eth.error")
    assert refused["exc_message"] == [
        f'"next" called on nonce for key {root} address {address} during active key {root}'
    ]
    engine.ask("cic_eth.eth.nonce.reserve_nonce", address, CHAIN_SPEC)
    reserved = f"SELECT nonce FROM nonce_task_reservation WHERE address_hex = '{address}' ORDER BY nonce"
    assert engine.rows(reserved) == [(0,), (1,)]
    assert engine.holes(address) == [0, 1]


@pytest.mark.slow
def test_a_registration_that_fails_holds_up_all_later_ones_until_its_nonce_is_used(engine: RunningEngine) -> None:
    engine.start("nonce-hole=2")
    try:
        writer = engine.role(WRITER)
        (first,) = create(engine)
        eventually(lambda: engine.are_done([first]))
        (failed,) = create(engine)
        later = create(engine, 3)
        eventually(lambda: [registration(engine, account) for account in later] == ["sent"] * 3)
        assert registration(engine, failed) is None
        (hole,) = engine.holes(writer)
        assert hole == engine.nonce_of(writer)
        assert standstill(engine, writer)
        assert [count[0] for count in engine.counts([failed, *later]).values()] == [0] * 4
        engine.fill(writer, hole)
        eventually(lambda: engine.are_done(later))
        assert engine.holes(writer) == []
        assert engine.counts([failed])[failed][0] == 0
        asked = engine.ask_again("cic_eth.eth.account.register", failed, WRITER)
        assert asked["status"] == "SUCCESS"
        eventually(lambda: engine.are_done([failed]))
    finally:
        engine.start()


def test_a_failed_registration_says_that_the_signer_is_down(engine: RunningEngine) -> None:
    """The failure of the fault switch is the one that was recorded without a signer."""
    from cicscenario.sandbox.custodial.errors import SIGNER_IS_DOWN

    assert SIGNER_IS_DOWN == DOWN


@pytest.mark.slow
@pytest.mark.parametrize("faults", [("nonce-hole=1", "nonce-hole=3"), ("fail-task=cic_eth.eth.account.register",)])
def test_every_failed_registration_is_a_hole_of_its_own(engine: RunningEngine, faults: tuple[str, ...]) -> None:
    writer = engine.role(WRITER)
    engine.start(*faults)
    try:
        accounts = [account for _ in range(4) for account in create(engine)]
        failed = 2 if len(faults) == 2 else 4
        eventually(lambda: len(engine.holes(writer)) == failed)
        eventually(lambda: [registration(engine, account) for account in accounts].count("sent") == 4 - failed)
        assert standstill(engine, writer) == (failed < 4)
    finally:
        engine.start()
    engine.mend()
    for account in [account for account in accounts if registration(engine, account) is None]:
        engine.ask_again("cic_eth.eth.account.register", account, WRITER)
    eventually(lambda: engine.are_done(accounts))
    assert engine.holes(writer) == []


@pytest.mark.slow
def test_a_gift_of_gas_that_fails_holds_up_all_later_ones(engine: RunningEngine) -> None:
    engine.start("gas-nonce-hole=1")
    try:
        gifter = engine.role(GIFTER)
        accounts = create(engine)
        eventually(lambda: engine.holes(gifter))
        accounts += create(engine, 2)
        given = "SELECT count(*) FROM otx WHERE purpose = 'gas' AND status = 'sent'"
        eventually(lambda: engine.rows(given) == [(2,)])
        assert standstill(engine, gifter)
        assert [counts[:2] for counts in engine.counts(accounts).values()] == [[1, 0]] * 3, "registered, without gas"
        engine.mend()
        eventually(lambda: sum(tokens > 0 for _, _, tokens in engine.counts(accounts).values()) == 2)
        (poor,) = [account for account, (_, gas, _) in engine.counts(accounts).items() if not gas]
        assert engine.ask_again("cic_eth.eth.gas.refill_gas", poor, GIFTER)["status"] == "SUCCESS"
        eventually(lambda: engine.are_done(accounts))
    finally:
        engine.start()


def shutdowns(engine: RunningEngine) -> int:
    """How often the worker has ended by itself and was started again."""
    return (engine.home / "sandbox" / "custodial.log").read_text().count("the worker ended with 0")


@pytest.mark.slow
def test_shutdown_tasks_in_the_queue_end_the_next_worker_too_until_none_is_left(engine: RunningEngine) -> None:
    engine.start("pause=2")
    try:
        before = shutdowns(engine)
        for _ in range(8):
            engine.signature("cic_eth.admin.ctrl.shutdown", "broke").apply_async()
        eventually(lambda: shutdowns(engine) >= before + 2)
        eventually(lambda: engine.redis.llen(QUEUE) == 0)
        assert engine.ask("cic_eth.task.check_health", "well")["result"] == "well"
    finally:
        engine.start()


@pytest.mark.slow
def test_an_empty_gas_gifter_shuts_the_worker_down_and_leaves_a_hole_for_each_account(engine: RunningEngine) -> None:
    engine.start("gifter-balance=0")
    gifter = engine.role(GIFTER)
    assert int(engine.rpc.call("eth_getBalance", f"0x{gifter}", "latest"), 16) == 0
    try:
        accounts = create(engine, 2)
        eventually(lambda: len(engine.holes(gifter)) == 2)
        eventually(lambda: shutdowns(engine) >= 1, "the worker shuts itself down")
        eventually(lambda: "worker" in processes(engine) and engine.redis.llen(QUEUE) == 0)
        assert engine.ask("cic_eth.task.check_health", "well")["result"] == "well"
        assert [counts[:2] for counts in engine.counts(accounts).values()] == [[1, 0]] * 2
        broke = failures(engine, "SeppukuError")
        assert broke == [[f"Noooooooooooo; gas gifter {gifter} is broke!"]] * 2
        send_from(engine.box.session(), engine.box.owner, bytes.fromhex(gifter), value=10**18)
        engine.mend()
        for account in accounts:
            engine.ask_again("cic_eth.eth.gas.refill_gas", account, GIFTER)
        eventually(lambda: engine.are_done(accounts))
    finally:
        engine.start()


def failures(engine: RunningEngine, name: str) -> list[Any]:
    """Messages of the exceptions of a class in the result backend."""
    entries = [json.loads(engine.redis.get(key) or "{}") for key in engine.redis.scan_iter("celery-task-meta-*", 1000)]
    raised = [entry["result"] for entry in entries if entry.get("status") == "FAILURE"]
    return [each["exc_message"] for each in raised if each["exc_type"] == name]


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["cic_eth.eth.gas.check_gas", "cic_eth.queue.state.set_ready"])
def test_a_signed_transaction_whose_next_task_is_lost_holds_up_all_later_ones_too(
    engine: RunningEngine, lost: str
) -> None:
    """There is no hole then: the engine has the transaction, and never sends it."""
    writer = engine.role(WRITER)
    engine.start(f"fail-task={lost}")
    try:
        (first,) = create(engine)
        eventually(lambda: registration(engine, first) == "pending")
        eventually(lambda: engine.redis.llen(QUEUE) == 0)
    finally:
        engine.start()
    (second,) = create(engine)
    eventually(lambda: registration(engine, second) == "sent")
    assert engine.holes(writer) == []
    assert standstill(engine, writer)
    engine.mend()
    eventually(lambda: engine.are_done([first, second]))


@pytest.mark.slow
def test_an_account_whose_gas_was_never_given_goes_on_when_anybody_sends_it_some(engine: RunningEngine) -> None:
    engine.start("gas-nonce-hole=1")
    try:
        (account,) = create(engine)
        waiting = f"SELECT status FROM otx WHERE purpose = 'faucet' AND account = '{account}'"
        eventually(lambda: engine.rows(waiting) == [("waitforgas",)])
        eventually(lambda: engine.holes(engine.role(GIFTER)))
        send_from(engine.box.session(), engine.box.owner, bytes.fromhex(account), value=10**9)
        eventually(lambda: engine.are_done([account]))
    finally:
        engine.start()
        engine.mend()


def test_a_role_that_is_taken_away_in_between_leaves_a_hole_which_the_recipes_command_fills(
    engine: RunningEngine,
) -> None:
    writer = engine.role(WRITER)
    root = str(uuid.uuid4())
    reserve = engine.signature("cic_eth.eth.nonce.reserve_nonce", "6c" * 20, CHAIN_SPEC, WRITER)
    reserve.apply_async(task_id=root)
    engine.entry(root)
    engine.ask("cic_eth.eth.account.set_role", WRITER, "0" * 40, CHAIN_SPEC)
    try:
        register = engine.signature("cic_eth.eth.account.register", "6c" * 20, CHAIN_SPEC)
        refused = engine.entry(str(register.apply_async(root_id=root).id))["result"]
    finally:
        engine.ask("cic_eth.eth.account.set_role", WRITER, writer, CHAIN_SPEC)
    assert refused["exc_type"] == "IntegrityError"
    (hole,) = engine.holes(writer)
    recipe = re.search(
        r"celery (--broker .*?\]\')\n```", (Path(__file__).parents[3] / "docs" / "recipes.md").read_text(), re.DOTALL
    )
    assert recipe
    command = recipe[1].replace("PORT", str(engine.port)).replace("NONCE", str(hole)).replace("ADDRESS", writer)
    words = shlex.split(command.replace("\\\n", " "))
    subprocess.run([sys.executable, "-m", "celery", *words], check=True, timeout=60, stdout=subprocess.DEVNULL)
    eventually(lambda: engine.nonce_of(writer) == hole + 1)
    (account,) = create(engine)
    eventually(lambda: engine.are_done([account]))


def test_a_transaction_of_an_account_without_a_key_is_refused(engine: RunningEngine) -> None:
    stranger = "5b" * 20
    asked = engine.ask("cic_eth.eth.tx.custom", 0, stranger, stranger, 0, None, 1, 21_000, CHAIN_SPEC)
    assert asked["status"] == "FAILURE"
    assert (asked["result"]["exc_type"], asked["result"]["exc_module"]) == ("JSONRPCException", "chainlib.error")


def test_the_registry_is_told(engine: RunningEngine) -> None:
    told = engine.ask("cic_eth.task.registry")["result"]
    assert told.lower() == to_hex(bytes.fromhex(engine.environment["chain"]["registry"][2:]))
    assert told != told.lower(), "with checksum capitals"
