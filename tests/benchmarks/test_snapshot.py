"""Seconds until a stack of a thousand people who joined by phone is back from a snapshot, and where they go.

Run by its own command: ``python -m pytest -n 0 -m benchmark -s tests/benchmarks/test_snapshot.py``.
"""

import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.sandbox import stack
from cicscenario.sandbox.daemon import Daemon
from cicscenario.sandbox.services import SERVICES
from tests.support.commands import cicscenario
from tests.support.cputime import of_daemon

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

SCENARIO = Path(__file__).parents[2] / "scenarios" / "ussd-1k.yaml"
WHOLE = 3.0  #: seconds that `stack up --from` may take on a quiet machine with two processors
ROUNDS = 3


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The snapshot; ``CICSCENARIO_BENCHMARK_SNAPSHOT`` names one that is there, since it takes a minute to make it."""
    if there := os.environ.get("CICSCENARIO_BENCHMARK_SNAPSHOT"):
        return Path(there)
    home = tmp_path_factory.mktemp("made")
    done = cicscenario(home, "run", str(SCENARIO), "--save", str(home / "1k.zst"), patience=1500)
    stack.down(home, purge=True)
    assert done.returncode == 0, done.stderr
    return home / "1k.zst"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    stack.down(tmp_path / "home", purge=True)


def measured(home: Path, *arguments: str) -> tuple[float, float]:
    """Seconds and CPU seconds of a command itself, without those of the daemons that it leaves."""
    before, began = os.times(), time.monotonic()
    done = cicscenario(home, *arguments)
    seconds, after = time.monotonic() - began, os.times()
    assert done.returncode == 0, done.stderr
    return seconds, after.children_user + after.children_system - before.children_user - before.children_system


def test_a_thousand_people_are_back(saved: Path, home: Path) -> None:
    whole, restored, command, data = [], [], [], []
    daemons: dict[str, list[float]] = {name: [] for name in SERVICES}
    for _ in range(ROUNDS):
        seconds, cpu = measured(home, "stack", "restore", str(saved), "--yes")
        restored.append(seconds)
        data.append(cpu)
        seconds, cpu = measured(home, "stack", "up", "--from", str(saved), "--yes")
        whole.append(seconds)
        command.append(cpu)
        for name, found in daemons.items():
            pid = Daemon(name, home / "sandbox").pid()
            assert pid
            found.append(of_daemon(pid))
        stack.down(home, purge=True)
    parts = {name: statistics.median(found) for name, found in daemons.items()}
    cpu = statistics.median(command) + sum(parts.values())
    print(
        f"\nstack up --from: {statistics.median(whole):.1f} s (best {min(whole):.1f}); CPU {cpu:.1f} s: command"
        f" {statistics.median(command):.2f}, " + ", ".join(f"{name} {used:.2f}" for name, used in parts.items())
    )
    print(
        f"stack restore: {statistics.median(restored):.1f} s (best {min(restored):.1f}),"
        f" CPU {statistics.median(data):.2f} s; snapshot {saved.stat().st_size / 1e6:.0f} MB"
    )
    assert min(whole) < WHOLE, "only on a machine that does nothing else"
