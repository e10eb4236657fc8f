"""SIGKILL at any moment: started again, the engine goes on, and nobody is registered, gifted or paid twice."""

import contextlib
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from cicscenario.sandbox import stack
from cicscenario.sandbox.daemon import Daemon
from tests.support.running_engine import CHAIN_SPEC, GAS_GIFT, QUEUE, RunningEngine
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

COUNT = 30


def processes(engine: RunningEngine) -> dict[str, int]:
    """Process ids of the engine and of its workers."""
    parent = Daemon("custodial", engine.home / "sandbox").pid()
    assert parent is not None
    found = {"engine": parent}
    for line in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        words = Path(f"/proc/{line}/cmdline").read_bytes().split(b"\0")
        if b"cicscenario.sandbox.custodial.worker" in words:  # else it is dead, or only about to begin
            found[f"worker {words[3].decode()}"] = int(line)
    return found


def kill(*pids: int) -> None:
    """Kills processes, and waits until the kernel has done it."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        eventually(lambda pid=pid: is_gone(pid))


def is_gone(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # when this process started it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def check_everybody_once(engine: RunningEngine, since: int, roots: list[str]) -> None:
    """Every root was answered with an account of its own, and each account's three transactions are on chain once."""

    def answers() -> set[str] | None:
        accounts = set()
        for root in roots:
            entry = engine.entry(root)
            create = engine.entry(str(entry["children"][0][0][0]))
            accounts.add(create["result"])
        return accounts if len(accounts) == len(roots) else None

    accounts: set[str] = eventually(answers)
    eventually(lambda: engine.are_done(accounts))
    kinds: Counter[tuple[str, str]] = Counter()
    for each in engine.transactions(since):
        account = each["input"][-40:] if len(each["input"]) > 2 else each["to"][2:].lower()
        kinds[each["input"][:10], account] += 1
        if each["input"] == "0x":
            assert int(each["value"], 16) == GAS_GIFT
    for account in accounts:
        assert [kinds[kind, account] for kind in ("0x0a3b0a4f", "0x", "0x63e4bff4")] == [1, 1, 1], account


@pytest.mark.parametrize("victim", ["engine", "worker 0", "custodial", "redis", "postgres"])
def test_what_was_under_way_is_finished(engine: RunningEngine, victim: str) -> None:
    since = int(engine.rpc.call("eth_blockNumber"), 16)
    roots = [engine.create() for _ in range(COUNT)]
    time.sleep(0.2)  # in the middle of it
    if victim == "custodial":
        kill(*processes(engine).values())
    elif victim in ("redis", "postgres"):
        pid = Daemon(victim, engine.home / "sandbox").pid()
        assert pid is not None
        kill(pid)
    else:
        kill(processes(engine)[victim])
    engine.start()
    check_everybody_once(engine, since, roots)


def test_a_task_that_was_taken_while_redis_went_away_is_taken_up_again(engine: RunningEngine) -> None:
    """Redis had moved it to the worker's list, and the worker was never told."""
    task = engine.signature("cic_eth.eth.erc20.default_token").set(queue="nobody's").freeze()
    engine.signature("cic_eth.eth.erc20.default_token").set(queue="nobody's").apply_async(task_id=task.id)
    engine.redis.lmove("nobody's", f"{QUEUE}.worker0.taken", "RIGHT", "LEFT")
    assert not engine.redis.exists(f"celery-task-meta-{task.id}")
    engine.redis.client_kill_filter(_type="normal", skipme=True)
    assert engine.entry(task.id)["result"]["symbol"] == "GFT"
    eventually(lambda: not engine.redis.exists(f"{QUEUE}.worker0.taken"))


def test_a_tree_of_tasks_that_is_run_again_makes_no_second_account(engine: RunningEngine) -> None:
    with engine.listen() as listener:
        root = engine.create()
        (first,) = listener.wait(1)
        eventually(lambda: engine.are_done([first["result"]]))
        again = engine.create(root_id=root)
        _, second = listener.wait(2)
    assert again == root
    assert second == first


def test_a_workers_death_is_no_matter(engine: RunningEngine) -> None:
    """The engine starts it again by itself."""
    before = processes(engine)
    kill(before["worker 1"])
    eventually(lambda: processes(engine).get("worker 1") not in (None, before["worker 1"]))
    assert processes(engine)["engine"] == before["engine"]
    with engine.listen() as listener:
        engine.create()
        assert listener.wait(1)[0]["status"] == 0


def test_no_worker_outlives_the_engine(engine: RunningEngine) -> None:
    before = processes(engine)
    assert set(before) == {"engine", "worker 0", "worker 1"}
    kill(before["engine"])
    daemon = Daemon("custodial", engine.home / "sandbox")
    eventually(lambda: daemon.pid() is None)
    for pid in before.values():
        assert not Path(f"/proc/{pid}/exe").exists()
    assert stack.status(engine.home)[-1].state == "down"
    engine.start()


def test_down_and_up_it_goes_on_where_it_was(engine: RunningEngine) -> None:
    with engine.listen() as listener:
        engine.create()
        (message,) = listener.wait(1)
    eventually(lambda: engine.are_done([message["result"]]))
    roles = engine.rows("SELECT * FROM account_role ORDER BY 1")
    stack.down(engine.home)
    assert {service.state for service in stack.status(engine.home)} == {"down"}
    engine.start()
    assert engine.redis.llen(QUEUE) == 0
    assert engine.are_done([message["result"]])
    assert engine.rows("SELECT * FROM account_role ORDER BY 1") == roles
    assert engine.ask("cic_eth.eth.account.have", message["result"], CHAIN_SPEC)["result"] == message["result"]
