"""A command works in whatever process it is started in, or says in one line what is missing there."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cicscenario.errors import ExitCode
from cicscenario.sandbox.packages import cache_folder
from tests.support.commands import command_line
from tests.support.hostile_shell import HOSTILE_SHELL

NAMELESS = 54321  # the number of a user that no machine has a name for
SCENARIO = """
version: 1
name: small
description: "Watu wachache, kama Žiče na Tromsø"
population: {size: 3, seed: 5}
gift: {threshold: 200}
backend: {kind: eth, keystore: {kdf: none}}
environment: sandbox
"""
EVERYTHING = """
version: 1
name: everything
population: {size: 4, seed: 5}
gift: {threshold: 200}
backend: cic_ussd
metadata: [person, phone, preferences, custom]
pins: {}
ussd_data: true
environment: sandbox
"""
BARE = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}


def _is_open(file: str) -> bool:
    """Whether other users may enter all folders above a file."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in Path(file).parents)


#: Python may be in a home folder that is closed to others.
_MAY_BE_RUN = _is_open(sys.executable) and _is_open(str(Path(sys.executable).resolve()))
as_root = pytest.mark.skipif(
    os.geteuid() != 0 or not _MAY_BE_RUN,
    reason="only root can become another user, who must be able to run this Python",
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the nameless user owns, with a scenario and the packages of the contracts."""
    folder = Path(tempfile.mkdtemp(prefix="cicscenario-test-", dir="/var/tmp"))
    (folder / "s.yaml").write_text(SCENARIO, "utf-8")
    if (cache_folder() / "contracts").exists():
        shutil.copytree(cache_folder() / "contracts", folder / "cache" / "contracts")
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NAMELESS, NAMELESS)
    yield folder
    command(folder, "stack", "down", "--purge", "--yes")
    shutil.rmtree(folder)


def command(
    folder: Path,
    *arguments: str,
    shell: Mapping[str, str] = {},
    before: tuple[str, ...] = (),
    cwd: Path | None = None,
    user: int | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Runs a command in ``folder`` with no variables but those of ``shell``."""
    return subprocess.run(
        [*before, *command_line(*arguments)],
        env={**BARE, "CICSCENARIO_CACHE": str(folder / "cache"), **shell},
        cwd=cwd or folder,
        capture_output=True,
        timeout=280,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )


def is_told(done: subprocess.CompletedProcess[bytes], words: str) -> bool:
    said = done.stderr.decode()
    return said.startswith("error: ") and words in said and "Traceback" not in said and "internal error" not in said


@pytest.mark.parametrize("arguments", [("validate", "s.yaml"), ("plan", "s.yaml"), ("run", "s.yaml")])
def test_a_hostile_shell_changes_nothing(place: Path, arguments: tuple[str, ...]) -> None:
    done = command(place, *arguments, shell=HOSTILE_SHELL)
    assert (done.returncode, done.stderr) == (ExitCode.OK, b"")
    if arguments[0] == "run":
        assert b"balance: 0 errors of 3" in done.stdout


@pytest.mark.slow
def test_a_hostile_shell_changes_nothing_in_the_whole_sandbox(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(EVERYTHING)
    shell = {"CICSCENARIO_CACHE": str(cache_folder()), **HOSTILE_SHELL}
    try:
        up = command(tmp_path, "stack", "up", shell=shell)
        assert up.returncode == ExitCode.OK, up.stderr
        assert all(line.startswith((b"sandbox, ", b"starting ")) for line in up.stderr.splitlines()), up.stderr
        done = command(tmp_path, "run", "all.yaml", shell=shell)
        assert (done.returncode, done.stderr) == (ExitCode.OK, b"")
        again = command(tmp_path, "verify", "all.yaml", shell=shell)
        assert again.returncode == ExitCode.OK
        assert again.stdout.count(b": 0 errors of 4") == 12
    finally:
        command(tmp_path, "stack", "down", "--purge", "--yes", shell=shell)


@as_root
@pytest.mark.parametrize("arguments", [("validate", "s.yaml"), ("plan", "s.yaml"), ("run", "s.yaml")])
def test_a_user_without_name_and_home_can_do_all(place: Path, arguments: tuple[str, ...]) -> None:
    done = command(place, *arguments, user=NAMELESS)
    assert (done.returncode, done.stderr) == (ExitCode.OK, b"")


@as_root
@pytest.mark.parametrize(
    ("arguments", "shell", "words", "code"),
    [
        (
            ("run", "s.yaml"),
            {"CICSCENARIO_CACHE": ""},
            "no home folder to keep the contracts' packages",
            ExitCode.INVALID,
        ),
        (("stack", "up"), {}, "database cannot run as user 54321, whom this machine has no name", ExitCode.UNAVAILABLE),
        (
            ("stack", "up", "--service", "node"),
            {"HOME": "/nonexistent", "CICSCENARIO_CACHE": ""},
            "CICSCENARIO_CACHE",
            3,
        ),
    ],
)
def test_what_a_user_without_name_and_home_cannot_have_is_said(
    place: Path, arguments: tuple[str, ...], shell: dict[str, str], words: str, code: int
) -> None:
    done = command(place, *arguments, shell=shell, user=NAMELESS)
    assert done.returncode == code
    assert is_told(done, words)


@pytest.mark.slow
@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_text_that_is_not_ascii_is_read_and_written_in_any_locale(place: Path, locale: dict[str, str]) -> None:
    name = "Žiče.yaml"
    shutil.copy(place / "s.yaml", place / name)
    for arguments in (("validate", name), ("run", name), ("plan", name)):
        done = command(place, *arguments, shell=locale)
        assert (done.returncode, done.stderr) == (ExitCode.OK, b"")
    (place / "wrong.yaml").write_text(SCENARIO.replace("name: small", "name: Žiče"), "utf-8")
    done = command(place, "validate", "wrong.yaml", shell=locale)
    assert done.returncode == ExitCode.INVALID
    assert b"is not a value for `name`" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_end_nothing(place: Path, closed: str) -> None:
    for arguments in ("validate s.yaml", "plan s.yaml", "run s.yaml") if closed.endswith("<&-") else ("plan s.yaml",):
        line = f"{sys.executable} -m cicscenario {arguments} {closed}"
        shell = {**BARE, "CICSCENARIO_CACHE": str(place / "cache")}
        done = subprocess.run(["/bin/sh", "-c", line], env=shell, cwd=place, capture_output=True, timeout=200)
        assert (done.returncode, done.stderr) == (ExitCode.OK, b"")
    if closed.endswith("<&-"):
        state = place / ".cicscenario" / "runs" / "small" / "state.sqlite"
        assert state.read_bytes().startswith(b"SQLite format 3\0")


@as_root
def test_a_folder_that_cannot_be_written_to_is_named(place: Path) -> None:
    for arguments, code in ((("validate", "s.yaml"), 0), (("plan", "s.yaml"), 0), (("run", "s.yaml"), 2)):
        told = (arguments[0], str(place / arguments[1]))
        done = command(place, *told, user=NAMELESS, cwd=Path("/usr"))
        assert done.returncode == code, done.stderr
        assert code == 0 or is_told(done, "cannot use /usr/.cicscenario: permission denied")
    done = command(place, "stack", "up", user=NAMELESS, cwd=Path("/usr"))
    assert done.returncode == ExitCode.INVALID
    assert is_told(done, "cannot use /usr/.cicscenario: permission denied")


#: Makes what all users share read-only, except the folder $1, and becomes the nameless user.
WITHOUT_TMP = """
set -e
for folder in /tmp /var/tmp /dev/shm; do mount --bind $folder $folder; mount -o remount,ro,bind $folder; done
mount --bind "$1" "$1"; mount -o remount,rw,bind "$1"
cd "$1"; shift
exec setpriv --reuid 54321 --regid 54321 --clear-groups "$@"
"""


def _can_unshare() -> bool:
    tools = all(map(shutil.which, ("unshare", "setpriv", "mount")))
    return (
        tools and os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0
    )


@pytest.mark.slow
@as_root
@pytest.mark.skipif(not _can_unshare(), reason="cannot take /tmp away from a process here")
@pytest.mark.parametrize("runtime", [True, False])
def test_without_tmp_a_run_needs_the_runtime_folder_of_the_user(place: Path, runtime: bool) -> None:
    (place / "runtime").mkdir(mode=0o700)
    os.chown(place / "runtime", NAMELESS, NAMELESS)
    shell = {"TMPDIR": "/nowhere", **({"XDG_RUNTIME_DIR": str(place / "runtime")} if runtime else {})}
    before = ("unshare", "-m", "sh", "-c", WITHOUT_TMP, "sh", str(place))
    for arguments in (("validate", "s.yaml"), ("plan", "s.yaml")):
        done = command(place, *arguments, shell=shell, before=before)
        assert (done.returncode, done.stderr) == (ExitCode.OK, b"")
    done = command(place, "run", "s.yaml", shell=shell, before=before)
    if runtime:
        assert (done.returncode, done.stderr) == (ExitCode.OK, b"")
    else:
        assert done.returncode == ExitCode.STATE_REFUSED
        assert is_told(done, "the folder for locks, /tmp/cicscenario-54321")
