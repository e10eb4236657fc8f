"""What commands leave on the disk: for their owner only whatever the umask, and through no link that is in the way."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.cli.schema import FOLDER, NAMES
from cicscenario.errors import ExitCode
from cicscenario.report import all_forms
from tests.support.commands import cicscenario
from tests.support.sandboxes import Sandbox, with_keystore

#: What is made to be shown.
FOR_ALL = {form.file for form in all_forms() if form.name != "html"} | {"report.json", "progress.json", "new.yaml"}


@pytest.fixture(params=[0, 0o077], ids=lambda mask: f"umask {mask:o}")
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def wrong_modes(folder: Path) -> dict[str, str]:
    """The files and folders in ``folder``, and itself, that have other permissions than they should have."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            folder = 0o755 if path.name == FOLDER else 0o700
            expected = folder if path.is_dir() else 0o644 if path.name in (*FOR_ALL, *NAMES.values()) else 0o600
            if (mode := path.stat().st_mode & 0o777) != expected:
                found[str(path.relative_to(folder))] = f"{mode:o}"
    return found


def all_commands(box: Sandbox, scenario: Path, place: Path) -> list["subprocess.CompletedProcess[str]"]:
    """Every command that writes, with its files in ``place``."""
    run, env = ("--dir", str(place / "run")), ("--env", str(box.environment))
    return [
        cicscenario(box.home, "run", str(scenario), *run, *env),
        cicscenario(box.home, "verify", str(scenario), *run, *env),
        cicscenario(box.home, "report", str(scenario), *run),
        cicscenario(box.home, "report", str(scenario), *run, "--output", str(place / "run" / "report.html")),
        cicscenario(box.home, "export", str(scenario), str(place / "export"), *run),
        cicscenario(box.home, "new", str(place / "new.yaml"), "--yes"),
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("umask")
@with_keystore
def test_every_file_is_its_owners_only_and_reports_are_for_all(
    sandbox: Sandbox, scenario: Path, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    place.mkdir(mode=0o700)
    place.chmod(0o700)
    for done in all_commands(sandbox, scenario, place):
        assert done.returncode == 0, done.stderr
    names = {path.name for path in place.rglob("*")}
    assert {
        "state.sqlite",
        "lock",
        "tx",
        "keystore",
        "keystore.password",
        "report.json",
        "junit.xml",
        ".master",
    } <= names
    assert wrong_modes(place) == {}
    assert not [name for name in names if "unfinished" in name]


#: What a run cannot do without, and does not replace: it is refused when it leads elsewhere.
KEPT = ("lock", "state.sqlite", "state.sqlite-wal", "secret", "keystore.password", "tx", "keystore")


@pytest.mark.slow
@with_keystore
def test_no_link_is_followed_wherever_it_is(sandbox: Sandbox, scenario: Path, tmp_path: Path) -> None:
    """Links are planted in the place of everything that a run leaves, before there is a run."""
    run, env = tmp_path / "run", ("--env", str(sandbox.environment))
    precious = tmp_path / "precious"
    precious.write_text("words")
    precious.chmod(0o640)
    done = cicscenario(sandbox.home, "run", str(scenario), "--dir", str(tmp_path / "first"), *env)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "first").iterdir()}
    assert len(names - set(KEPT)) > 5
    run.mkdir()
    for name in names - set(KEPT):
        (run / name).symlink_to(precious)
    for name in KEPT:
        if (run / name).exists():  # an attempt before this one has made it
            (run / name).rename(tmp_path / f"made {name}")
        (run / name).symlink_to(tmp_path if name in ("tx", "keystore") else precious)
        done = cicscenario(sandbox.home, "run", str(scenario), "--dir", str(run), *env)
        assert done.returncode in (ExitCode.INVALID, ExitCode.STATE_REFUSED), (name, done.stderr)
        assert "symbolic link" in done.stderr
        assert str(run / name) in done.stderr
        (run / name).unlink()
    done = cicscenario(sandbox.home, "run", str(scenario), "--dir", str(run), *env)
    assert done.returncode == 0, done.stderr
    left = {name for name in names if (run / name).is_symlink()}
    assert left == {"run.log", ".gitignore"}, (
        "neither is followed, or stops a run: a log, and what a user has put there"
    )
    assert precious.read_text() == "words"
    assert precious.stat().st_mode & 0o777 == 0o640
