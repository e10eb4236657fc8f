"""A disk that is full while the sandbox starts is told in one line that names the folder, whichever program noticed it."""

import errno
import os
import re
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from cicscenario.errors import ExitCode, UnavailableError
from cicscenario.sandbox.space import full_disk_told
from tests.support.commands import command_environment, command_line

NO_SPACE = os.strerror(errno.ENOSPC)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, NO_SPACE),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        shutil.Error([("a", "b", f"[Errno 28] {NO_SPACE}: 'b'")]),
        UnavailableError(f"initdb: error: could not write to file: {NO_SPACE}"),
        UnavailableError("the sandbox's database cannot be created in /x: initdb ended with -25 after: success"),
        UnavailableError("the sandbox's redis ended with -25 when it was started"),
    ],
    ids=["system", "quota", "copying", "a program's words", "its last words", "limit of file sizes"],
)
def test_whoever_noticed_it(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(UnavailableError) as told, full_disk_told(tmp_path, "postgres"):
        raise error
    assert re.fullmatch(
        rf"{tmp_path} has no room for the sandbox's postgres: \d+ MB are free, about 100 MB are needed",
        told.value.message,
    )
    assert told.value.hint
    assert "CICSCENARIO_HOME" in told.value.hint


def test_a_server_that_says_so_in_its_log_only(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    log.write_text(f"PANIC: could not write to file: {NO_SPACE}\n")
    with pytest.raises(UnavailableError, match="has no room"), full_disk_told(tmp_path, "postgres", log):
        raise UnavailableError("the server closed the connection")


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), full_disk_told(tmp_path, "node"):
        raise PermissionError(errno.EACCES, "no", "x")
    with (
        pytest.raises(UnavailableError, match="did not answer"),
        full_disk_told(tmp_path, "node", tmp_path / "none.log"),
    ):
        raise UnavailableError("it did not answer")
    with pytest.raises(UnavailableError, match="cannot write the files"), full_disk_told(tmp_path, "postgres"):
        raise shutil.Error([("a", "b", "no access")])


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("size", [1, 30_000, 10_000_000])
def test_no_file_may_grow_beyond_a_size(tmp_path: Path, size: int) -> None:
    """For real, without rights: the kernel refuses to write more into any file of the sandbox's programs."""
    home = tmp_path / "home"
    done = subprocess.run(
        command_line("stack", "up"),
        env=command_environment(home),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )
    assert done.returncode == ExitCode.UNAVAILABLE, done.stderr
    assert "Traceback" not in done.stderr
    first, *rest = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert str(home) in first
    assert [line.split(":")[0].strip() for line in rest] == ["next", "resume"]
    subprocess.run(
        command_line("stack", "down", "--purge", "--yes"),
        env=command_environment(home),
        check=True,
        capture_output=True,
    )
