"""The home folder: one for a project, from each of its folders, and never in its repository."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from cicscenario.api.home import HOME, home, made_home
from cicscenario.api.workspace import run_directory
from cicscenario.files import own_folder
from cicscenario.state.directory import directory_lock
from cicscenario.vocabulary import load_scenario


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(HOME, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(folder)
    return home()


def test_every_folder_of_a_checkout_has_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    for place in ("repo/scenarios/old", "repo", "repo/docs"):
        assert inside(tmp_path / place, monkeypatch) == tmp_path / "repo" / ".cicscenario"


def test_the_nearest_one_that_is_there_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "repo" / "scenarios" / ".cicscenario").mkdir(parents=True)
    assert inside(tmp_path / "repo/scenarios/old", monkeypatch) == tmp_path / "repo/scenarios/.cicscenario"
    assert inside(tmp_path / "repo/docs", monkeypatch) == tmp_path / "repo/.cicscenario"


def test_without_a_checkout_one_above_is_found_and_else_it_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert inside(tmp_path / "plain/deep", monkeypatch) == tmp_path / "plain/deep/.cicscenario"
    (tmp_path / "plain/.cicscenario").mkdir()
    assert inside(tmp_path / "plain/deep", monkeypatch) == tmp_path / "plain/.cicscenario"


def test_a_checkout_ends_at_its_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "all/.cicscenario").mkdir(parents=True)
    (tmp_path / "all/repo").mkdir()
    (tmp_path / "all/repo/.git").write_text("gitdir: elsewhere")  # a worktree or a submodule
    assert inside(tmp_path / "all/repo/deep", monkeypatch) == tmp_path / "all/repo/.cicscenario"


def test_the_users_own_folder_is_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".cicscenario").mkdir()
    assert inside(tmp_path / "other", monkeypatch) == tmp_path / "other/.cicscenario"
    assert inside(tmp_path, monkeypatch) == tmp_path / ".cicscenario"


def test_what_another_user_made_above_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shared/.cicscenario").mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    assert inside(tmp_path / "shared/mine", monkeypatch) == tmp_path / "shared/mine/.cicscenario"


def test_the_environment_names_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME, "elsewhere")
    assert inside(tmp_path / "repo", monkeypatch) == tmp_path / "repo/elsewhere"


def test_git_sees_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path / "repo")], check=True)
    inside(tmp_path / "repo/scenarios", monkeypatch)
    place = made_home()
    assert place == tmp_path / "repo/.cicscenario"
    (place / "runs").mkdir()
    (place / "runs" / "secret").write_text("0042")
    seen = subprocess.run(["git", "status", "--porcelain", "-uall"], capture_output=True, text=True, check=True)
    assert seen.stdout == ""
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    (place / ".gitignore").write_text("mine\n")
    made_home()
    assert (place / ".gitignore").read_text() == "mine\n", "what is there is kept"


@pytest.mark.parametrize(
    ("name", "there", "gets_one"),
    [
        ("new", None, True),
        ("empty", [], True),
        ("data", ["notes.txt"], False),
        ("data", ["runs", "notes.txt"], False),
        ("of-an-earlier-version", ["runs", "sandbox", "snapshots"], True),
        (".cicscenario", [], True),
        (".cicscenario", ["notes.txt"], True),
    ],
)
def test_a_folder_of_the_user_is_not_hidden_from_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, there: list[str] | None, gets_one: bool
) -> None:
    place = tmp_path / name
    for one in there or []:
        (place / one).mkdir(parents=True)
    if there is not None:
        place.mkdir(exist_ok=True)
    monkeypatch.setenv(HOME, str(place))
    assert made_home() == place
    assert (place / ".gitignore").exists() is gets_one


def seen_by_git(folder: Path) -> list[str]:
    command = ["git", "-C", str(folder), "status", "--porcelain", "-uall"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("named", ["ci/village", ".cicscenario/ci-village"])
@pytest.mark.parametrize("inside_the_home", [True, False])
def test_git_sees_nothing_of_a_run_in_a_directory_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, inside_the_home: bool
) -> None:
    """As in the CI recipes: ``--dir "$CICSCENARIO_HOME/run"`` makes the home folder before anything else does."""
    repo = tmp_path / "repo"
    subprocess.run(["git", "init", "-q", str(repo)], check=True)
    inside(repo, monkeypatch)
    monkeypatch.setenv(HOME, str(repo / named))
    scenario = repo / "s.yaml"
    scenario.write_text("version: 1\nname: s\npopulation: {size: 2}\nbackend: eth\nenvironment: sandbox\n")
    directory = Path(named, "run") if inside_the_home else Path("elsewhere/run")
    place = run_directory(load_scenario(scenario), directory, make=True)
    with directory_lock(own_folder(place)):  # as a run does
        (place / "state.sqlite").write_text("")
    (made_home() / "sandbox").mkdir()
    (made_home() / "sandbox" / "signer.key").write_text("")
    assert seen_by_git(repo) == ["?? s.yaml"]
