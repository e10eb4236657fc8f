"""Who ends a sandbox: the last of the runs that use it, if a run started it."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cicscenario.errors import StateRefusedError
from cicscenario.sandbox import stack
from cicscenario.sandbox.daemon import Daemon
from cicscenario.sandbox.stack import sandbox, used


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


def test_a_sandbox_that_was_deleted_under_a_run_is_no_error_for_it(home: Path) -> None:
    with sandbox(home):
        Daemon("node", home / "sandbox").stop()
        shutil.rmtree(home / "sandbox")
    assert not (home / "sandbox").exists()


@pytest.mark.parametrize("purge", [False, True])
def test_what_runs_use_is_not_stopped_and_each_of_them_is_named(home: Path, purge: bool) -> None:
    with sandbox(home, user="the scenario one (one.yaml)") as info:
        with used(info.environment, "the scenario two (two.yaml)"), pytest.raises(StateRefusedError) as refused:
            stack.down(home, purge=purge)
        for name in ("one", "two"):
            assert f"the scenario {name} ({name}.yaml), process {os.getpid()}" in str(refused.value)
        assert is_up(home)
        with pytest.raises(StateRefusedError, match="the scenario one") as refused:
            stack.down(home, purge=purge)
        assert "two" not in str(refused.value)
        assert is_up(home)
    stack.up(home)
    assert stack.down(home, purge=purge), "all of them have ended"


def test_a_killed_user_is_none_and_its_file_goes(home: Path) -> None:
    stack.up(home)
    code = (
        "import os, sys; from pathlib import Path; from cicscenario.sandbox.stack import used\n"
        "with used(Path(sys.argv[1]), 'killed'): os.kill(os.getpid(), 9)\n"
    )
    environment = home / "sandbox" / "environment.yaml"
    assert subprocess.run([sys.executable, "-c", code, environment], check=False).returncode == -signal.SIGKILL
    assert len(list((home / "sandbox" / "users").iterdir())) == 1
    assert stack.down(home)
    assert list((home / "sandbox" / "users").iterdir()) == []


def test_a_user_that_came_by_its_environment_file_ends_what_the_run_before_it_started(home: Path) -> None:
    first = sandbox(home)
    info = first.__enter__()
    with used(info.environment, "second"):
        first.__exit__(None, None, None)
        assert is_up(home)
    assert not is_up(home)


def test_an_environment_that_is_no_sandboxs_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "sandbox" / "environment.yaml"
    file.parent.mkdir()
    file.write_text("")
    with used(file, "a run"):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["sandbox", "environment.yaml"]
