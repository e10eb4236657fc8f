"""Whole runs with an engine that is killed, paused, or whose accounts have a gap in their nonces."""

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cicscenario.chain.abi import to_hex
from cicscenario.sandbox import stack
from tests.support.custodial_runs import ASKED, clean, ends_well, everybody_arrived
from tests.support.engine_processes import processes
from tests.support.running_engine import CHAIN_SPEC, RunningEngine
from tests.support.sandboxes import Run, Sandbox
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def run(sandbox_of: Callable[..., Sandbox], custodial: Path, faults: list[str], tmp_path: Path) -> Run:
    """In a sandbox of its own: a killed worker leaves a gap in the nonces, which lasts."""
    return Run(sandbox_of(services=["custodial"], faults=faults), custodial, tmp_path / "run")


@contextmanager
def paused(run: Run) -> Iterator[None]:
    """All processes of the engine are stopped, and go on after the block."""
    group = list(processes(RunningEngine(run.box.home)).values())
    for pid in group:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in group:
            os.kill(pid, signal.SIGCONT)


def keys(run: Run) -> int:
    """How many keys the engine holds, those of its own accounts among them."""
    engine = RunningEngine(run.box.home)
    return int(engine.rows("SELECT count(*) FROM ethereum", "cic_signer")[0][0])


def signed(run: Run, purpose: str = "register") -> int:
    """How many transactions of this purpose the engine has signed, ever."""
    return int(RunningEngine(run.box.home).rows(f"SELECT count(*) FROM otx WHERE purpose = '{purpose}'")[0][0])


# --- paused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", [ASKED, "SELECT 1 FROM requests WHERE status = 'created'"])
def test_a_pause_that_is_shorter_than_the_patience_gives_nobody_a_second_account(run: Run, when: str) -> None:
    since, before = run.box.block(), keys(run)
    process = run.start("--set", "backend.patience=60", "--set", "population.size=40")
    run.when(when)
    with paused(run):
        time.sleep(20)
    _, said = process.communicate(timeout=180)
    assert process.returncode == 0, said
    everybody_arrived(run, 40, since)
    assert keys(run) - before == 40
    assert run.report()["orphans"] == 0


def test_after_a_pause_that_is_longer_than_the_patience_the_next_run_gives_nobody_a_second_account(run: Run) -> None:
    since, before = run.box.block(), keys(run)
    process = run.start("--set", "backend.patience=4", "--set", "population.size=40")
    run.when(ASKED)
    with paused(run):
        _, said = process.communicate(timeout=180)
        assert process.returncode == 3, said
    ends_well(run, 40, since, "--set", "population.size=40")
    assert keys(run) - before == 40


# --- killed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("faults", [["custodial.visibility-timeout=12"]])
def test_what_a_killed_worker_had_begun_is_asked_for_again_and_what_it_had_fetched_comes_back(run: Run) -> None:
    """Nobody has two accounts, but those whose first one was lost. Redis gives the rest back after the visibility timeout."""
    more = ["--set", "population.size=60", "--set", "backend.patience=30", "--until", "accounts"]
    process = run.start(*more)
    run.when("SELECT 1 FROM requests WHERE status = 'created'")
    run.box.kill("custodial")
    stack.up(run.box.home, services=["custodial"], faults=["custodial.visibility-timeout=12"])
    _, said = process.communicate(timeout=240)
    redis = RunningEngine(run.box.home).redis
    assert process.returncode == 0 or redis.hlen("unacked"), said
    failed = [detail for (detail,) in run.rows("SELECT detail FROM outcomes WHERE step = 'accounts' AND NOT ok")]
    assert all("a worker has fetched its task and not begun it" in detail for detail in failed), failed
    eventually(lambda: not redis.hlen("unacked"), "waited for Redis to give tasks back", 150)
    again = run.command(*more)
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(set(run.addresses())) == 60
    asked = run.rows("SELECT count(*) FROM requests")[0][0]
    assert keys(run) - 2 <= asked, "not more keys than requests"
    assert run.rows("SELECT count(*) FROM requests GROUP BY person HAVING count(*) > 2") == []


def test_what_is_with_a_killed_worker_for_an_hour_is_said_with_the_time(run: Run) -> None:
    process = run.start("--set", "population.size=200", "--set", "backend.patience=12", "--until", "accounts")
    run.when(ASKED)
    eventually(lambda: RunningEngine(run.box.home).redis.hlen("unacked") > 0)
    run.box.kill("custodial")
    left = RunningEngine(run.box.home).redis.hlen("unacked")
    stack.up(run.box.home, services=["custodial"])
    _, said = process.communicate(timeout=240)
    details = [detail for (detail,) in run.rows("SELECT detail FROM outcomes WHERE step = 'accounts' AND NOT ok")]
    fetched = [detail for detail in details if "a worker has fetched its task and not begun it" in detail]
    assert process.returncode == (3 if fetched else 0), said
    assert fetched or not left, (left, said)
    # One that another worker began in this very moment has no time any more.
    timed = [detail for detail in fetched if "another one gets the task after the visibility timeout" not in detail]
    assert timed or not left, fetched
    for detail in timed:
        when = re.search(r"another one gets the task soon after (\d{4}-\d\d-\d\d \d\d:\d\d \S+),", detail)
        assert when, detail
        assert abs(time.mktime(time.strptime(when[1][:16], "%Y-%m-%d %H:%M")) - time.time() - 3600) < 600


# --- gaps in the nonces ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("faults", "role", "step", "purpose"),
    [
        (["custodial.nonce-hole=4"], "ACCOUNT_REGISTRY_WRITER", "registration", "register"),
        (["custodial.gas-nonce-hole=4"], "GAS_GIFTER", "gas", "gas"),
    ],
)
def test_a_gap_stays_one_gap_is_told_with_its_nonce_and_an_operator_mends_it(
    run: Run, role: str, step: str, purpose: str
) -> None:
    since, made = run.box.block(), Counter({purpose: signed(run, purpose)})
    done = run.command("--set", "backend.patience=16")
    assert done.returncode == 3, done.stdout + done.stderr
    said = clean(run.box, done)
    ok, failed = run.steps()[step]
    assert ok + failed == 12, said
    # Those before the fourth; one less or more when two processes take their nonces in another order.
    assert ok >= 2, said
    assert signed(run, purpose) - made[purpose] <= 11 + 1, "not one for each of those who wait"
    ((detail,),) = run.rows(
        f"SELECT detail FROM outcomes WHERE step = '{step}' AND NOT ok ORDER BY person DESC LIMIT 1"
    )
    waits = re.search(rf"{role} (0x[0-9a-f]{{40}}) has [\d,]+ wei, and waits for nonce (\d+): the node has no", detail)
    assert waits, detail
    assert "`cicscenario explain engine-standstill` tells how to mend it" in detail
    rpc = run.box.session().rpc
    assert int(rpc.call("eth_getTransactionCount", waits[1], "latest"), 16) == int(waits[2])
    assert ok == int(waits[2]) - made[purpose], "each whose nonce is before the gap, and nobody else"
    stack.up(run.box.home, services=["custodial"], faults=[])
    RunningEngine(run.box.home).fill(waits[1].removeprefix("0x"), int(waits[2]))
    # The chain takes a second gift of gas, unlike a second registration: the one that was asked for again may get both.
    ends_well(run, 12, since, "--set", "backend.patience=16", gas_again=2 if purpose == "gas" else 0)


# --- preflight ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("faults", [["custodial.gifter-balance=0"]])
def test_an_empty_gas_gifter_is_told_before_anything_is_changed(run: Run) -> None:
    before = run.box.block()
    done = run.command()
    assert done.returncode == 3
    said = clean(run.box, done)
    ((gifter, _),) = run.box.ask_engine("cic_eth.eth.account.role_account", "GAS_GIFTER", CHAIN_SPEC)
    address = to_hex(bytes.fromhex(gifter.removeprefix("0x")))
    assert f"its GAS_GIFTER {address} has no native currency" in said
    assert run.box.block() == before
