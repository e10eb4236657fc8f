"""Who ends a sandbox: the last of the runs that use it, if a run started it."""

import signal
import subprocess
import sys
from pathlib import Path

from cicscenario.sandbox import stack
from cicscenario.sandbox.stack import sandbox


def is_up(home: Path) -> bool:
    return stack.running_environment(home) is not None


def test_a_run_ends_what_it_started(home: Path) -> None:
    with sandbox(home) as info:
        assert info.started
        assert is_up(home)
    assert not is_up(home)


def test_a_run_that_fails_does_so_too(home: Path) -> None:
    run = sandbox(home)
    run.__enter__()
    failure = RuntimeError("the run failed")
    assert not run.__exit__(RuntimeError, failure, None)
    assert not is_up(home)


def test_keep_leaves_it_up(home: Path) -> None:
    with sandbox(home, keep=True):
        pass
    assert is_up(home)


def test_a_run_leaves_up_what_stack_up_started(home: Path) -> None:
    stack.up(home)
    with sandbox(home) as info:
        assert not info.started
    assert is_up(home)


def test_stack_up_keeps_what_a_run_started(home: Path) -> None:
    with sandbox(home):
        stack.up(home)
    assert is_up(home)


def test_the_last_of_two_runs_ends_it(home: Path) -> None:
    second = sandbox(home)
    with sandbox(home):
        assert not second.__enter__().started
    assert is_up(home), "the second run still uses it"
    second.__exit__(None, None, None)
    assert not is_up(home)


def test_a_killed_runs_sandbox_is_found_used_and_ended(home: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from cicscenario.sandbox.stack import sandbox\n"
        "with sandbox(Path(sys.argv[1])): os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, home], check=False).returncode == -signal.SIGKILL
    assert is_up(home)
    with sandbox(home) as info:
        assert not info.started
    assert not is_up(home)


def test_a_sandbox_that_was_ended_under_a_run_is_no_error_for_it(home: Path) -> None:
    with sandbox(home):
        stack.down(home, purge=True)
    assert not (home / "sandbox").exists()
