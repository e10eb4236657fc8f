"""A lock names its owner, keeps a second process out, and dies with its holder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cicscenario.errors import ExitCode, StateRefusedError
from cicscenario.state.lock import FileLock

HOLD = """
import sys, time
from pathlib import Path
from cicscenario.state.lock import FileLock
with FileLock(Path(sys.argv[1]), "the thing"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_refused_and_told_who_has_it(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(StateRefusedError) as refused, FileLock(tmp_path / "lock", "the thing"):
        pass
    assert f'"pid": {holder.pid}' in str(refused.value)
    assert refused.value.exit_code == ExitCode.STATE_REFUSED


def test_a_killed_holder_leaves_nothing_to_clean_up(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with FileLock(tmp_path / "lock", "the thing"):
        pass
    assert (tmp_path / "lock").exists()


def test_it_can_be_taken_again_after_it_was_left(tmp_path: Path) -> None:
    for _ in range(2):
        with FileLock(tmp_path / "lock", "the thing"):
            pass
