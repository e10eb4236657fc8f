"""A sandbox that a process owns ends with it, however that ends; others stay up."""

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cicscenario.errors import UnavailableError
from cicscenario.sandbox import daemon, guard, stack
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


@pytest.mark.parametrize(
    ("program", "said"),
    [("exit 3", "ended with 3"), ("sleep 1; exit 4", "ended with 4"), ("exec sleep 60", "did not answer")],
)
def test_a_sandbox_without_its_watchdog_does_not_start(
    home: Path, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    """However late that is noticed: later than all services have started, in the second case."""
    script = home.with_name("program")
    script.write_text(f"#!/bin/sh\necho it cannot >&2\n{program}\n")
    script.chmod(0o700)
    monkeypatch.setattr(guard, "sys", SimpleNamespace(executable=str(script)))
    monkeypatch.setattr(daemon, "_START", 3.0)
    with pytest.raises(UnavailableError) as refused:
        stack.up(home, services=["redis"])
    assert refused.value.message.startswith(f"the sandbox's watchdog {said} when it was started; the end of ")
    assert refused.value.message.endswith("watchdog.log:\n  it cannot")
    assert not processes_of(home)
    monkeypatch.undo()
    stack.up(home, services=["redis"])
    assert [(service.name, service.state) for service in stack.status(home)] == [("redis", "up")]
