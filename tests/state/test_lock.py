"""A lock names its owner, keeps a second process out, and dies with its holder."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cicscenario.errors import ExitCode, StateRefusedError
from cicscenario.state.lock import FileLock, user_lock, user_places

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


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    """In a shared folder somebody could point the lock at a file of its user, which would then be emptied."""
    precious = tmp_path / "precious"
    precious.write_text("words")
    (tmp_path / "lock").symlink_to(precious)
    with pytest.raises(StateRefusedError, match="symbolic link"), FileLock(tmp_path / "lock", "the thing"):
        pass
    assert precious.read_text() == "words"


def test_a_pipe_is_no_lock(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(StateRefusedError, match="not a regular file"), FileLock(tmp_path / "lock", "the thing"):
        pass


def _linked(place: Path) -> None:
    other = place.with_name("elsewhere")
    other.mkdir()
    place.symlink_to(other)


def _wide(place: Path) -> None:
    place.mkdir()
    place.chmod(0o777)


def _group(place: Path) -> None:
    place.mkdir()
    place.chmod(0o770)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_linked, "is a symbolic link"),
        (_wide, r"can be written to by others \(mode 777\)"),
        (_group, r"can be written to by others \(mode 770\)"),
        (lambda place: place.write_text(""), "is not a folder|cannot be created"),
    ],
)
def test_a_folder_that_others_can_change_is_refused(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    place = tmp_path / "place"
    spoil(place)
    with pytest.raises(StateRefusedError, match=said), user_lock("it", "the thing", [place]):
        pass
    assert not (tmp_path / "elsewhere" / "it").exists()
    with user_lock("it", "the thing", [place, tmp_path / "good"]):  # another place is enough
        assert (tmp_path / "good" / "it").exists()


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "place").mkdir(mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: (tmp_path / "place").stat().st_uid + 1)
    with (
        pytest.raises(StateRefusedError, match="belongs to user"),
        user_lock("it", "the thing", [tmp_path / "place"]),
    ):
        pass


def test_the_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    with user_lock("it", "the thing", [tmp_path / "place"]):
        assert (tmp_path / "place").stat().st_mode & 0o777 == 0o700


def test_runs_meet_whatever_their_environment(tmp_path: Path) -> None:
    session = tmp_path / "session"
    session.mkdir(mode=0o700)
    with_session = user_places({"XDG_RUNTIME_DIR": str(session), "TMPDIR": str(tmp_path)})
    without = user_places({"XDG_RUNTIME_DIR": "relative"})
    assert with_session[0] == session / "cicscenario"
    assert without[-1:] == with_session[-1:]
    assert without[-1].name == f"cicscenario-{os.getuid()}"
    session.chmod(0o777)
    assert session / "cicscenario" not in user_places({"XDG_RUNTIME_DIR": str(session)})


def test_two_runs_of_which_one_has_a_session_keep_each_other_out(tmp_path: Path) -> None:
    with (
        user_lock("it", "the thing", [tmp_path / "session", tmp_path / "shared"]),
        pytest.raises(StateRefusedError, match="is in use"),
        user_lock("it", "the thing", [tmp_path / "shared"]),
    ):
        pass


def test_two_runs_meet_whatever_their_variables(tmp_path: Path) -> None:
    """Another TMPDIR, another home folder, no runtime folder: it is the user who counts."""
    name = f"test-{os.getpid()}.lock"
    code = (
        "import sys; from cicscenario.state.lock import user_lock\n"
        "with user_lock(sys.argv[1], 'the signer'):\n    print('held', flush=True); input()"
    )
    held = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)}
    held |= {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "none")}
    with subprocess.Popen(
        [sys.executable, "-c", code, name], env=held, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(StateRefusedError, match="the signer is in use"), user_lock(name, "the signer"):
            pass
        other.communicate(b"\n")
    with user_lock(name, "the signer"):
        pass
    for place in user_places():
        (place / name).unlink(missing_ok=True)
