"""A sandbox that a process owns ends with it, however that ends; others stay up."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cicscenario.sandbox import stack
from cicscenario.sandbox.outside import outside
from tests.support.ticks import processes_of
from tests.support.waiting import eventually

_PROGRAM = """
import sys
from pathlib import Path
from cicscenario.sandbox import stack
from cicscenario.sandbox.guard import end_with_this_process
home = Path(sys.argv[1])
if sys.argv[2] == "owned":
    end_with_this_process(home)
stack.up(home, services=sys.argv[3:])
print("up", flush=True)
sys.stdin.read()
"""


def started(home: Path, *words: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(home), *words],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.readline() == "up\n"
    return process


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "services"), [(signal.SIGKILL, ("node", "postgres", "redis")), (signal.SIGTERM, ("node",))]
)
def test_it_ends_with_its_owner_and_leaves_nothing(home: Path, how: signal.Signals, services: tuple[str, ...]) -> None:
    with started(home, "owned", *services) as process:
        running, elsewhere = processes_of(home), outside(home / "sandbox")
        assert len(running) > len(services)
        process.send_signal(how)
        process.wait()
        eventually(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in running if pid != process.pid))
    eventually(lambda: not (home / "sandbox").exists())
    assert elsewhere is None or not elsewhere.exists()


@pytest.mark.slow
def test_it_ends_with_an_owner_that_is_killed_while_it_starts(home: Path) -> None:
    """Whatever was started up to then."""
    with subprocess.Popen([sys.executable, "-c", _PROGRAM, str(home), "owned", "postgres", "redis"]) as process:
        eventually(lambda: (home / "sandbox" / "postgres.lock").exists())
        process.kill()
        process.wait()
    eventually(lambda: not processes_of(home))
    eventually(lambda: not (home / "sandbox").exists())


@pytest.mark.slow
def test_another_one_stays_up(home: Path) -> None:
    with started(home, "kept", "node") as process:
        process.kill()
    (service,) = stack.status(home)
    assert service.state == "up"
