"""Every fault switch does what it says, and nothing else."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from redis import Redis

from cicscenario.errors import InvalidError
from cicscenario.sandbox import stack
from cicscenario.sandbox.custodial.counters import FaultCounters
from cicscenario.sandbox.custodial.faults import EngineFaults
from cicscenario.sandbox.daemon import Daemon
from tests.support.engine_processes import remains
from tests.support.running_engine import CHAIN_SPEC, QUEUE, RunningEngine
from tests.support.valkey import Valkey
from tests.support.waiting import eventually


def test_without_faults_nothing_is_wrong() -> None:
    none = EngineFaults.parse([])
    assert none == EngineFaults()
    assert not any(none.drops(f"root {n}") or none.duplicates(f"root {n}") for n in range(1000))


def test_shares_are_of_root_ids_and_always_the_same_ones() -> None:
    faults = EngineFaults.parse(["drop-callback=0.1", "duplicate-callback=0.5"])
    roots = [f"root {number}" for number in range(2000)]
    dropped = [root for root in roots if faults.drops(root)]
    assert 150 < len(dropped) < 250
    assert dropped == [root for root in roots if EngineFaults.parse(["drop-callback=0.1"]).drops(root)]
    assert set(dropped) < {root for root in roots if EngineFaults.parse(["drop-callback=0.2"]).drops(root)}
    assert 900 < sum(faults.duplicates(root) for root in roots) < 1100
    assert all(EngineFaults.parse(["drop-callback"]).drops(root) for root in roots)


def test_switches_that_can_be_repeated_are_all_read() -> None:
    faults = EngineFaults.parse(["nonce-hole=3", "nonce-hole=7", "gas-nonce-hole=2", "fail-task=a", "fail-task=b"])
    assert (faults.nonce_hole, faults.gas_nonce_hole, faults.fail_task) == ((3, 7), (2,), ("a", "b"))


@pytest.mark.parametrize(
    "text",
    ["explode", "drop-callback=2", "delay=soon", "die-after=x", "nonce-hole=0", "nonce-hole", "gas-nonce-hole=-1",
     "gifter-balance=-1", "pause=0", "pause=nan", "pause=5@-1", "visibility-timeout=0", "visibility-timeout"],
)  # fmt: skip
def test_others_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no such fault|share|could not convert|invalid literal|number"):
        EngineFaults.parse([text])


@pytest.mark.slow
def test_callbacks_are_dropped_doubled_and_late_and_a_task_fails(engine: RunningEngine) -> None:
    named = ["drop-callback=0.4", "duplicate-callback=0.4", "delay=1", "fail-task=cic_eth.eth.erc20.default_token"]
    faults = EngineFaults.parse(named)
    engine.start(*named)
    try:
        with engine.listen() as listener:
            began = time.monotonic()
            roots = [engine.create() for _ in range(20)]
            expected = sorted(
                root for root in roots if not faults.drops(root) for _ in range(1 + faults.duplicates(root))
            )
            listener.wait(1)
            assert time.monotonic() - began >= 1
            messages = listener.wait(len(expected))
            listener.wait(len(expected) + 1, patience=1)
        failed = engine.ask("cic_eth.eth.erc20.default_token")
    finally:
        engine.start()
    assert 0 < len(set(expected)) < len(roots), "some are dropped, by the same draw as above"
    assert sorted(message["root_id"] for message in messages) == expected
    assert failed["status"] == "FAILURE"
    assert "was asked to let it fail" in failed["result"]["exc_message"][0]
    assert engine.ask("cic_eth.eth.erc20.default_token")["status"] == "SUCCESS"
    accounts = [account for (account,) in engine.rows("SELECT account FROM otx WHERE purpose = 'register'")]
    assert len(accounts) >= len(roots)
    eventually(lambda: engine.are_done(accounts))
    assert engine.holes(engine.role("ACCOUNT_REGISTRY_WRITER")) == []


@pytest.mark.slow
def test_the_first_registration_of_an_account_fails_on_the_chain_and_the_next_does_not(engine: RunningEngine) -> None:
    engine.start("revert-registration")
    before = int(engine.rpc.call("eth_blockNumber"), 16)
    try:
        root = engine.create()
        account = engine.entry(engine.entry(root)["children"][0][0][0])["result"]
        registration = f"SELECT status FROM otx WHERE purpose = 'register' AND account = '{account}'"
        eventually(lambda: engine.rows(registration) == [("failed",)])
        assert engine.counts([account])[account] == [0, 0, 0]
        asked = engine.ask_again("cic_eth.eth.account.register", account, "ACCOUNT_REGISTRY_WRITER")
        assert asked["status"] == "SUCCESS"
        eventually(lambda: engine.are_done([account]))
    finally:
        engine.start()
    sent = [each["receipt"]["status"] for each in engine.transactions(before)]
    assert sent == ["0x0", "0x1", "0x1", "0x1"], "a registration that fails and one that does not, gas, and the faucet"


@pytest.mark.slow
def test_it_dies_after_so_many_tasks_and_started_again_goes_on(engine: RunningEngine) -> None:
    engine.start("die-after=12")
    daemon = Daemon("custodial", engine.home / "sandbox")
    roots = [engine.create() for _ in range(10)]
    eventually(lambda: daemon.pid() is None)
    left = remains(engine.redis)
    assert left.queued or left.unacked, "it died in the middle of it"
    fetched = [moment for _, moment in engine.redis.zrange("unacked_index", 0, -1, withscores=True)]
    eventually(lambda: time.time() > max(fetched, default=0) + 1.1)  # the timeout; it looks for them when it starts
    engine.start("visibility-timeout=1")
    engine.start()
    eventually(lambda: engine.redis.llen(QUEUE) == 0 and engine.redis.hlen("unacked") == 0)
    begun = [root for root in roots if engine.redis.exists(f"celery-task-meta-{root}")]
    assert len(roots) - 2 <= len(begun) <= len(roots), "only what ran is lost"
    engine.mend()
    with engine.listen() as listener:
        engine.create()
        (message,) = listener.wait(1)
    eventually(lambda: engine.are_done([message["result"]]))


@pytest.mark.slow
def test_a_pause_begins_after_so_many_tasks_and_ends(engine: RunningEngine) -> None:
    engine.start("pause=4@3")
    try:
        for _ in range(3):
            assert engine.ask("cic_eth.task.check_health", 1)["result"] == 1
        began = time.monotonic()
        assert engine.ask("cic_eth.task.check_health", 2)["result"] == 2
        assert 3.5 < time.monotonic() - began < 30
        again = time.monotonic()
        engine.ask("cic_eth.task.check_health", 3)
        assert time.monotonic() - again < 3, "once"
    finally:
        engine.start()


def test_a_task_that_is_counted_just_after_the_first_of_a_pause_does_not_begin_either(tmp_path: Path) -> None:
    """However late the process of the first one goes on: else a task more than there are processes would be lost in a kill."""
    times = []
    with Valkey(tmp_path) as valkey:
        settings: Any = SimpleNamespace(broker=valkey.url, queue=QUEUE, faults=EngineFaults.parse(["pause=0.5"]))
        first, second = FaultCounters(settings, 0), FaultCounters(settings, 0)

        class Interrupted(Redis):
            def execute_command(self, *args: Any, **options: Any) -> Any:
                answer = super().execute_command(*args, **options)
                if not times:
                    times.append(time.monotonic())
                    second.before_task()
                    times.append(time.monotonic())
                return answer

        first._redis = Interrupted.from_url(valkey.url)
        first.before_task()
        for counters in (first, second):
            counters._client.close()
    began, ended = times
    assert ended - began >= 0.45


@pytest.mark.slow
def test_a_running_service_is_started_again_for_other_faults_only(engine: RunningEngine) -> None:
    daemon = Daemon("custodial", engine.home / "sandbox")
    engine.start()
    first = daemon.pid()
    engine.start()
    stack.up(engine.home, services=["custodial"])
    assert daemon.pid() == first
    engine.start("signer-down")
    second = daemon.pid()
    assert second != first
    stack.up(engine.home, services=["custodial"])
    assert daemon.pid() == second, "without a word on faults they are left as they are"
    (status,) = [service for service in stack.status(engine.home) if service.name == "custodial"]
    assert status.detail == "--fault signer-down"
    assert engine.ask("cic_eth.eth.account.create", "", CHAIN_SPEC)["status"] == "FAILURE"
    engine.start()


@pytest.mark.slow
def test_an_unknown_fault_is_refused_before_the_engine_is_stopped(engine: RunningEngine) -> None:
    engine.start()
    before = stack.status(engine.home)
    with pytest.raises(InvalidError, match=r"there is no fault 'custodial\.explode'"):
        engine.start("explode")
    assert stack.status(engine.home) == before


def test_faults_are_named_by_their_service(tmp_path: Path) -> None:
    for wrong in ("signer-down", "custodial.", "printer.on-fire"):
        with pytest.raises(InvalidError):
            stack.up(tmp_path, services=["custodial"], faults=[wrong])
    assert not list(tmp_path.iterdir())
