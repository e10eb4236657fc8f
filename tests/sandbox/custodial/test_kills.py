"""SIGKILL at any moment: started again, the engine goes on, and nobody is registered, gifted or paid twice.

What is lost then is shown by ``test_acknowledgement``.
"""

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from cicscenario.sandbox import stack
from cicscenario.sandbox.daemon import Daemon
from tests.support.engine_processes import kill, processes
from tests.support.running_engine import CHAIN_SPEC, GAS_GIFT, QUEUE, RunningEngine
from tests.support.waiting import PATIENCE, eventually

pytestmark = pytest.mark.slow

COUNT = 30


def quiet(engine: RunningEngine, patience: float = PATIENCE) -> None:
    """Waits until the queue is empty and nothing that could go on is left."""
    going = "SELECT count(*) FROM otx WHERE status = 'ready'"

    def done() -> bool:
        return engine.redis.llen(QUEUE) == 0 and engine.redis.hlen("unacked") == 0 and engine.rows(going) == [(0,)]

    def stays() -> bool:
        if not done():
            return False
        time.sleep(1)
        return done()

    eventually(stays, "waited for the queue to be empty and every transaction to be over", patience)


def hand_back(engine: RunningEngine) -> None:
    """Has the tasks that a dead worker had fetched put back on the queue, and done.

    kombu looks for them when a worker starts, and then every 100 s. A worker that was busy until it was stopped may have
    fetched some so late that they were too young at the start of the next one.
    """
    for _ in range(5):
        time.sleep(1.5)  # what was fetched is older than the time-out when the worker starts
        engine.start("visibility-timeout=1")
        try:
            quiet(engine, patience=60)
            break
        except AssertionError:
            engine.start()
    engine.start()


def arrived(engine: RunningEngine, roots: list[str]) -> list[str]:
    """Accounts of those roots whose tasks were not lost, and which are registered, have gas and were paid."""
    accounts = []
    for root in roots:
        children = json.loads(engine.redis.get(f"celery-task-meta-{root}") or '{"children": []}')["children"]
        for child in children:
            created = json.loads(engine.redis.get(f"celery-task-meta-{child[0][0]}") or "{}")
            accounts += [created["result"]] if created.get("status") == "SUCCESS" else []
    return [account for account in accounts if engine.are_done([account])]


def check_nobody_twice(engine: RunningEngine, since: int) -> None:
    """No account was registered, given gas or paid by the faucet more than once."""
    kinds: Counter[tuple[str, str]] = Counter()
    for each in engine.transactions(since):
        if each["input"] == "0x" and int(each["value"], 16) != GAS_GIFT:
            continue  # it fills a hole
        account = each["input"][-40:] if len(each["input"]) > 2 else each["to"][2:].lower()
        kinds[each["input"][:10], account] += int(each["receipt"]["status"], 16)
    assert set(kinds.values()) <= {0, 1}, kinds


@pytest.mark.parametrize("victim", ["engine", "worker", "task 0", "custodial", "redis", "postgres"])
def test_what_is_lost_is_lost_and_what_is_not_is_done_once(engine: RunningEngine, victim: str) -> None:
    """After an operator filled the holes and the visibility timeout has passed, new people arrive as if nothing had been."""
    since = int(engine.rpc.call("eth_blockNumber"), 16)
    roots = [engine.create() for _ in range(COUNT)]
    time.sleep(0.5)  # in the middle of it
    if victim == "custodial":
        kill(*processes(engine).values())
    elif victim in ("redis", "postgres"):
        pid = Daemon(victim, engine.home / "sandbox").pid()
        assert pid is not None
        kill(pid)
    else:
        kill(processes(engine)[victim])
    hand_back(engine)
    quiet(engine)
    engine.mend()
    quiet(engine)
    check_nobody_twice(engine, since)
    with engine.listen() as listener:
        engine.create()
        (message,) = listener.wait(1)
    eventually(lambda: engine.are_done([message["result"]]), "waited for a new account to be done")
    assert len(arrived(engine, roots)) > 0


def test_a_tree_of_tasks_that_is_run_again_makes_a_second_account(engine: RunningEngine) -> None:
    """As with cic-eth: a client must not use a root id twice."""
    with engine.listen() as listener:
        root = engine.create()
        (first,) = listener.wait(1)
        eventually(lambda: engine.are_done([first["result"]]))
        again = engine.create(root_id=root)
        _, second = listener.wait(2)
    assert again == root == second["root_id"]
    assert second["result"] != first["result"]
    eventually(lambda: engine.are_done([second["result"]]))


def test_no_worker_outlives_the_engine(engine: RunningEngine) -> None:
    before = processes(engine)
    assert set(before) == {"engine", "worker", "task 0", "task 1"}
    kill(before["engine"])
    daemon = Daemon("custodial", engine.home / "sandbox")
    eventually(lambda: daemon.pid() is None)
    for pid in before.values():
        eventually(lambda pid=pid: not Path(f"/proc/{pid}/exe").exists())
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
