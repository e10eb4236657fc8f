"""Stacks of real sessions: filled once, restored after that, one for each worker, and gone with the session."""

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest

from cicscenario.sandbox.snapshot.container import manifest_of
from tests.support.outer_pytest import project_in, session, session_command, session_environment
from tests.support.ticks import processes_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

TESTS = """
import hashlib, json, pytest
@pytest.mark.parametrize("number", [1, 2])
def test_one(cic_stack, number):
    stack = cic_stack("wallets.yaml")
    assert cic_stack("wallets.yaml") is stack
    people = stack.people
    assert [person.pin for person in people] == [None] * 3
    for person in people:
        assert stack.web3.eth.account.from_key(person.key).address == person.address
        assert stack.web3.eth.get_balance(person.address) > 0
    code = stack.web3.eth.get_code(stack.contracts["token"])
    assert len(code) > 100
    executed = hashlib.sha256((stack.scenario.directory / "progress.json").read_bytes()).hexdigest()
    print("STACK", json.dumps([str(stack.home), stack.restored, executed, people[0].address]))
    with pytest.raises(Exception, match="has no ussd") as caught:
        stack.dial("+254700000000")
    assert 'services=["ussd"]' in caught.value.hint
"""
KILLED = """
import time
def test_one(cic_stack):
    stack = cic_stack("wallets.yaml")
    print(f"UP {stack.home}", flush=True)
    time.sleep(600)
"""


def stacks(done: subprocess.CompletedProcess[str]) -> list[tuple[str, bool, str, str]]:
    """Home, whether it was restored, a digest of its progress, and an account, for each test."""
    assert done.returncode == 0, done.stdout + done.stderr
    return [tuple(json.loads(line)) for line in re.findall(r"^STACK (.*)$", done.stdout, re.MULTILINE)]


def test_the_second_session_restores_what_the_first_has_filled(tmp_path: Path) -> None:
    project = project_in(tmp_path, TESTS)
    first = session(project, "-q", "-rP")
    (one, same) = stacks(first)
    assert one == same, "one for the session"
    assert not one[1]
    assert "is filled, which later sessions need not do again" in first.stdout
    second = session(project, "-q", "-rP")
    again = stacks(second)[0]
    assert again[1]
    assert again[2:] == one[2:], "no step was executed, and the people are the same"
    assert "is filled" not in second.stdout
    for home in (one[0], again[0]):
        assert not Path(home).exists()
        assert not processes_of(Path(home))

    (snapshot,) = (project / ".pytest_cache" / "d" / "cicscenario").glob("*.zst")
    assert manifest_of(snapshot).runs == {"wallets": 3}
    snapshot.write_bytes(snapshot.read_bytes()[:-1])
    third = session(project, "-q", "-rP", "-k", "1")
    assert [restored for _, restored, _, _ in stacks(third)] == [False]
    assert "cannot be used: its end is missing" in third.stdout, "why it is filled again is told"
    assert stacks(session(project, "-q", "-rP", "-k", "1"))[0][1], "and the new one is good"


def test_each_worker_has_its_own_and_one_fills_for_all(tmp_path: Path) -> None:
    done = session(project_in(tmp_path, TESTS), "-q", "-rP", "-p", "xdist.plugin", "-n", "2")
    found = stacks(done)
    assert len({home for home, _, _, _ in found}) == 2
    assert sorted(restored for _, restored, _, _ in found) == [False, True]


def test_without_a_cache_it_is_filled_each_time(tmp_path: Path) -> None:
    done = session(project_in(tmp_path, TESTS), "-q", "-rP", "-p", "no:cacheprovider", "-k", "1")
    assert [restored for _, restored, _, _ in stacks(done)] == [False]
    assert not (tmp_path / ".pytest_cache").exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_its_servers_end_with_a_session_that_is_killed(how: signal.Signals, tmp_path: Path) -> None:
    project = project_in(tmp_path, KILLED)
    with subprocess.Popen(
        session_command("-q", "-s"),
        cwd=project,
        env=session_environment(),
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # which a background job ignores
    ) as process:
        assert process.stdout
        home = next(Path(line.split()[1]) for line in process.stdout if line.startswith("UP "))
        running = set(processes_of(home)) - {process.pid}
        assert len(running) >= 2, "a node and its watchdog"
        process.send_signal(how)
        process.stdout.read()
    eventually(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in running))
    eventually(lambda: not (home / "sandbox").exists())
