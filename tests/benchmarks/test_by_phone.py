"""CPU milliseconds that a person who joins by phone takes, by process, and what a task of the engine takes to send.

Run by its own command: ``python -m pytest -n 0 -m benchmark -s tests/benchmarks/test_by_phone.py``. The table is that of
``docs/sandbox.md``. Figures are comparable only within one run of it: on a machine that does other things all are higher.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import celery
import pytest

from cicscenario.sandbox import stack
from cicscenario.sandbox.custodial.outbox import PostingApp
from cicscenario.sandbox.daemon import Daemon
from cicscenario.sandbox.services import SERVICES
from tests.support.commands import cicscenario
from tests.support.cputime import of_daemon
from tests.support.valkey import Valkey

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

SCENARIO = Path(__file__).parents[2] / "scenarios" / "ussd-1k.yaml"
FEW, MANY = 20, 320
TASKS, ROUNDS = 500, 5
SPEC = {"arch": "evm", "fork": "byzantium", "network_id": 8996, "common_name": "bloxberg", "custom": []}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    stack.down(tmp_path / "home", purge=True)


def used(home: Path) -> dict[str, float]:
    """CPU seconds so far: of each daemon, and of all commands that have ended."""
    daemons = {name: Daemon(name, home / "sandbox").pid() for name in SERVICES}
    times = os.times()
    commands = {"runner": times.children_user + times.children_system}
    return commands | {name: of_daemon(pid) for name, pid in daemons.items() if pid}


def of_run(home: Path, people: int) -> dict[str, float]:
    """CPU seconds of a run of so many new people, by process."""
    before = used(home)
    options = [
        "--set",
        f"population.size={people}",
        "--set",
        f"population.seed={people}",
        "--dir",
        str(home / f"{people}"),
    ]
    done = cicscenario(home, "run", str(SCENARIO), *options, patience=1500)
    assert done.returncode == 0, done.stderr
    return {name: seconds - before[name] for name, seconds in used(home).items()}


def test_a_person_by_process(home: Path) -> None:
    done = cicscenario(home, "stack", "up", patience=300)
    assert done.returncode == 0, done.stderr
    few, many = of_run(home, FEW), of_run(home, MANY)
    person = {name: (many[name] - few[name]) / (MANY - FEW) * 1000 for name in many}
    print("\n" + "\n".join(f"{name:10} {cost:6.1f} ms a person" for name, cost in person.items()))
    print(f"{'all':10} {sum(person.values()):6.1f} ms a person; a run of nobody: runner {few['runner']:.1f} s")


def seconds_to_send(app: celery.Celery) -> float:
    """CPU seconds of this process for some tasks; the least of some rounds."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for number in range(TASKS):
            app.send_task("cic_eth.eth.account.create", [number, SPEC], queue="cic-eth")
        if isinstance(app, PostingApp):
            app.outbox.send()
        found.append(time.process_time() - began)
    return min(found)


def test_a_task_is_sent_in_a_third_of_the_time_that_celery_takes(tmp_path: Path) -> None:
    with Valkey(tmp_path) as valkey:
        options: dict[str, Any] = {"broker": valkey.url, "set_as_current": False}
        plain, posting = celery.Celery("plain", **options), PostingApp("posting", valkey.url, **options)
        posting.collecting = True
        slow, fast = seconds_to_send(plain), seconds_to_send(posting)
        assert valkey.client.llen("cic-eth") == 2 * ROUNDS * TASKS
        for app in (plain, posting):
            app.close()
            app.pool.force_close_all()
    print(f"\na task: {slow / TASKS * 1e6:.0f} µs by Celery, {fast / TASKS * 1e6:.0f} µs here")
    assert fast < slow / 3
