"""Daemons: their lock is their life."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.errors import UnavailableError
from cicscenario.sandbox import daemon as daemons
from cicscenario.sandbox.daemon import Daemon
from tests.support.processes import open_files
from tests.support.waiting import eventually

SLEEP = ["sleep", "600"]
ENVIRONMENT = dict(os.environ)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    service = Daemon("service", tmp_path)
    yield service
    if pid := service.pid():
        os.kill(pid, signal.SIGKILL)


def becomes_the_service(pid: int | None) -> None:
    """Waits until the recorded process is the service itself: at first it is the shell that writes its id down."""
    eventually(lambda: Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x00600\x00")


def test_it_is_up_between_start_and_stop(daemon: Daemon) -> None:
    assert daemon.pid() is None
    assert not daemon.stop()
    daemon.start(SLEEP, ENVIRONMENT, lambda: True)
    pid = daemon.pid()
    assert pid is not None
    becomes_the_service(pid)
    assert daemon.stop()
    assert daemon.pid() is None


def test_it_outlives_its_starter_and_is_found_by_others(daemon: Daemon, tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from cicscenario.sandbox.daemon import Daemon\n"
        "Daemon('service', Path(sys.argv[1])).start(['sleep', '600'], dict(os.environ), lambda: True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -signal.SIGKILL
    pid = daemon.pid()
    assert pid is not None
    assert os.getsid(pid) == pid, "a session of its own: ^C in the starter's terminal does not reach it"
    assert daemon.stop()


def test_a_killed_one_is_down_at_once(daemon: Daemon) -> None:
    daemon.start(SLEEP, ENVIRONMENT, lambda: True)
    pid = daemon.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert daemon.pid() is None
    daemon.start(SLEEP, ENVIRONMENT, lambda: True)
    assert daemon.pid() not in (None, pid)


def test_it_holds_nothing_open_but_its_lock_and_log(daemon: Daemon, tmp_path: Path) -> None:
    with (tmp_path / "other").open("w") as other:
        os.set_inheritable(other.fileno(), True)
        daemon.start(SLEEP, ENVIRONMENT, lambda: True)
    becomes_the_service(daemon.pid())
    allowed = {"/dev/null", str(tmp_path / "service.log"), str(tmp_path / "service.lock")}
    eventually(lambda: open_files(daemon.pid()) == allowed, patience=10)  # while it loads, its libraries are open too


def test_one_that_ends_at_once_shows_its_last_words(daemon: Daemon) -> None:
    with pytest.raises(UnavailableError, match=r"ended with 7 .*\n  the disk is on fire"):
        daemon.start(["sh", "-c", "echo the disk is on fire >&2; exit 7"], ENVIRONMENT, lambda: False)
    assert daemon.pid() is None


def test_one_that_has_ended_is_not_up_because_another_program_answers_at_its_port(daemon: Daemon) -> None:
    process = daemon.launch(["sh", "-c", "echo the port is taken >&2; exit 1"], ENVIRONMENT)
    process.wait()
    with pytest.raises(UnavailableError, match=r"ended with 1 .*\n  the port is taken"):
        daemon.wait_until_up(process, lambda: True)


def test_one_that_never_answers_is_ended(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "_START", 0.2)
    with pytest.raises(UnavailableError, match="did not answer"):
        daemon.start(SLEEP, ENVIRONMENT, lambda: False)
    assert daemon.pid() is None


def test_one_that_ignores_the_request_to_end_is_killed(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "_STOP", 0.2)
    stubborn = [
        sys.executable,
        "-c",
        "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('x', flush=True)\ntime.sleep(600)",
    ]
    daemon.start(stubborn, ENVIRONMENT, lambda: daemon.log.read_text() == "x\n")
    assert daemon.stop()
    assert daemon.pid() is None


def test_a_silent_one_is_named_with_what_to_do(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon.start(SLEEP, ENVIRONMENT, lambda: True)
    monkeypatch.setattr(daemons, "_START", 0.1)
    with pytest.raises(UnavailableError, match=f"process {daemon.pid()}, does not answer") as silent:
        daemon.find(lambda: False)
    assert "stack down" in (silent.value.hint or "")


def test_one_that_has_only_just_been_started_is_waited_for(daemon: Daemon) -> None:
    assert not daemon.find(lambda: True)
    daemon.start(SLEEP, ENVIRONMENT, lambda: True)
    answers = iter([False, False, True])
    assert daemon.find(lambda: next(answers))


def test_one_that_is_dying_is_down(daemon: Daemon) -> None:
    daemon.start(SLEEP, ENVIRONMENT, lambda: True)
    pid = daemon.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert not daemon.find(lambda: False)
