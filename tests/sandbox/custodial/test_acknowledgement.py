"""What becomes of tasks when a worker is killed or stopped: the same as with any Celery worker on Redis.

Celery acknowledges a task just before it runs, and prefetches four tasks for each of its processes. Kombu keeps those in
``unacked`` until they are acknowledged, or until the visibility timeout has passed.
"""

import os
import signal
import time
import uuid
from pathlib import Path

import pytest

from cicscenario.sandbox import stack
from tests.support import celery_engine
from tests.support.engine_processes import kill, processes, remains
from tests.support.running_engine import CHAIN_SPEC, QUEUE, RunningEngine
from tests.support.valkey import Valkey
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

COUNT = 30
RUNNING, PREFETCHED = 2, 8
TASK = "cic_eth.eth.account.create"


def ask_for_many(engine: RunningEngine) -> list[str]:
    """Sends tasks and gives their ids, in their order."""
    ids = [str(uuid.uuid4()) for _ in range(COUNT)]
    for task_id in ids:
        engine.signature(TASK, "", CHAIN_SPEC).apply_async(task_id=task_id)
    return ids


def without_result(engine: RunningEngine, ids: list[str]) -> list[str]:
    return [task_id for task_id in ids if not engine.redis.exists(f"celery-task-meta-{task_id}")]


def test_a_killed_worker_leaves_what_a_plain_celery_worker_leaves(engine: RunningEngine, tmp_path: Path) -> None:
    engine.start("pause=600")
    try:
        asked = ask_for_many(engine)
        eventually(lambda: len(remains(engine.redis).unacked) == PREFETCHED)
        kill(*processes(engine).values())
        left = remains(engine.redis)
    finally:
        engine.redis.delete("unacked", "unacked_index", QUEUE)
        engine.start()
    with Valkey(tmp_path) as valkey, celery_engine.worker(valkey.url, RUNNING) as witness:
        valkey.client.hset("faults", "delay", 600)
        plain = RunningEngine(tmp_path)
        plain.__dict__["environment"] = {"custodial": {"broker": valkey.url}}
        witnessed = ask_for_many(plain)
        eventually(lambda: len(remains(plain.redis).unacked) == PREFETCHED)
        kill(witness.pid)
        real = remains(plain.redis)
        plain.redis.close()
    assert (left.form, left.keys) == (real.form, real.keys)
    for tasks, what in ((asked, left), (witnessed, real)):
        assert what.unacked == tasks[RUNNING : RUNNING + PREFETCHED]
        assert what.queued == tasks[RUNNING + PREFETCHED :], "the first two are nowhere any more"


def test_what_was_prefetched_is_taken_up_when_the_timeout_has_passed_and_what_ran_never(engine: RunningEngine) -> None:
    engine.start("pause=600")
    asked = ask_for_many(engine)
    eventually(lambda: len(remains(engine.redis).unacked) == PREFETCHED)
    kill(*processes(engine).values())
    engine.start()
    lost, prefetched, others = asked[:RUNNING], asked[RUNNING : RUNNING + PREFETCHED], asked[RUNNING + PREFETCHED :]
    eventually(lambda: not set(without_result(engine, asked)) & set(others))
    time.sleep(1)
    assert without_result(engine, asked) == [*lost, *prefetched], "an hour has not passed"
    assert remains(engine.redis).unacked == prefetched
    engine.start("visibility-timeout=1")
    try:
        eventually(lambda: without_result(engine, asked) == lost)
        eventually(lambda: remains(engine.redis).unacked == [])
    finally:
        engine.start()
    time.sleep(1)
    assert without_result(engine, asked) == lost


def test_a_worker_that_is_stopped_puts_back_what_it_had_prefetched(engine: RunningEngine) -> None:
    engine.start("pause=3")
    asked = ask_for_many(engine)
    eventually(lambda: len(remains(engine.redis).unacked) == PREFETCHED)
    stack.down(engine.home)
    engine.start()
    eventually(lambda: without_result(engine, asked) == [])
    assert remains(engine.redis).unacked == []


def test_of_a_killed_worker_another_process_goes_on_and_only_what_it_had_is_missing(engine: RunningEngine) -> None:
    before = processes(engine)
    asked = ask_for_many(engine)
    kill(before["worker"])
    eventually(lambda: processes(engine).get("worker") not in (None, before["worker"]))
    assert processes(engine)["engine"] == before["engine"]
    eventually(lambda: engine.redis.llen(QUEUE) == 0)
    assert engine.ask("cic_eth.eth.erc20.default_token")["status"] == "SUCCESS"
    left = remains(engine.redis)
    missing = without_result(engine, asked)
    assert len(set(left.unacked) - set(missing)) <= RUNNING, "they had begun, and the worker had not been told yet"
    assert len(set(missing) - set(left.unacked)) <= 2 * RUNNING, "those that ran, and those that it had just sent for"
    engine.redis.delete("unacked", "unacked_index")


def test_a_process_that_is_killed_while_it_runs_a_task_makes_that_task_fail(engine: RunningEngine) -> None:
    """Celery's worker goes on without it, and says so in the task's result."""
    engine.start("pause=30")
    try:
        (task, *_) = ask_for_many(engine)
        eventually(lambda: len(remains(engine.redis).unacked) == PREFETCHED)
        for name, pid in processes(engine).items():
            if name.startswith("task"):
                os.kill(pid, signal.SIGKILL)
        entry = engine.entry(task)
    finally:
        engine.redis.delete(QUEUE)
        engine.start()
    assert (entry["status"], entry["result"]["exc_type"]) == ("FAILURE", "WorkerLostError")


def test_a_stopped_engine_goes_on_when_it_is_continued(engine: RunningEngine) -> None:
    """SIGSTOP is how a slow or paused engine is played from outside: prefetched tasks wait in ``unacked``."""
    pids = [pid for name, pid in processes(engine).items() if name != "engine"]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    asked = ask_for_many(engine)
    time.sleep(2)
    assert without_result(engine, asked) == asked
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: without_result(engine, asked) == [])
