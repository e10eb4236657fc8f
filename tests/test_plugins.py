"""A package from outside brings one of each: it is installed into a fresh environment and used like what is built in."""

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from cicscenario.capabilities import registry
from cicscenario.errors import InvalidError
from tests.support.fresh_environment import fresh_environment

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tests" / "plugin_package"
CLUB = PACKAGE / "club.yaml"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a fresh virtual environment with cicscenario and the package."""
    return fresh_environment(tmp_path_factory.mktemp("environment"), PACKAGE)


class Shell:
    """Runs commands of the environment in a home of its own."""

    def __init__(self, programs: Path, home: Path) -> None:
        self._program = programs / "cicscenario"
        self.home = home
        self._environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def __call__(self, *words: str, code: int = 0, **variables: str) -> str:
        done = subprocess.run(
            [self._program, *words],
            cwd=self.home,
            env=self._environment | {"CICSCENARIO_HOME": str(self.home), "COLUMNS": "120"} | variables,
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def completed(self, *words: str) -> list[str]:
        asked = {"COMP_WORDS": " ".join(["cicscenario", *words]), "COMP_CWORD": str(len(words))}
        return self(_CICSCENARIO_COMPLETE="complete_bash", **asked).split()


@pytest.fixture(scope="module")
def shell(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(installed, tmp_path_factory.mktemp("home"))


@pytest.mark.slow
def test_its_names_are_known_to_every_command(shell: Shell, tmp_path: Path) -> None:
    assert "valid" in shell("validate", str(CLUB))
    plan = json.loads(shell("plan", str(CLUB), "--format", "json"))
    steps = {step["name"]: step for step in plan["steps"]}
    assert list(steps) == ["population", "accounts", "metadata_badge", "welcome"]
    assert steps["welcome"]["transactions"] == 8
    assert plan["totals"]["gas"] == 8 * 21_000
    assert plan["checks"] == ["metadata_badge", "welcomed"]
    assert "native currency for welcomes" in [need["what"] for need in plan["needs"]]
    assert "The word that the members of the club know" in shell("explain", "backend.word")
    assert "shared" in shell("explain", "backend.kind")
    assert shell.completed("run", "a.yaml", "--only", "wel") == ["welcome"]
    assert shell.completed("verify", "a.yaml", "--include", "welc") == ["welcomed"]
    assert shell.completed("new", "a.yaml", "--backend", "sh") == ["shared"]
    assert shell.completed("new", "a.yaml", "--metadata", "b") == ["badge"]
    assert shell.completed("report", "a.yaml", "--format", "c") == ["csv"]


@pytest.mark.slow
def test_what_it_says_of_itself_makes_the_rules_of_the_language(shell: Shell, tmp_path: Path) -> None:
    alone = tmp_path / "alone.yaml"
    alone.write_text(CLUB.read_text().replace("size: 8", "size: 1"))
    said = shell("validate", str(alone), code=2)
    assert "the check `welcomed` with a population of one, whom nobody welcomes" in said
    assert "leave the check out, or make the population larger" in said
    other = tmp_path / "other.yaml"
    other.write_text(CLUB.read_text().replace("kind: shared", "kind: eth"))
    assert "`backend.word` has no effect with the backend eth" in shell("validate", str(other))


@pytest.mark.slow
def test_a_scenario_runs_with_all_of_them(shell: Shell) -> None:
    said = shell("run", str(CLUB))
    assert "welcomed: 0 errors of 8" in said
    assert "metadata_badge: 0 errors of 8" in said
    run = shell.home / "runs" / "club"
    assert (run / "steps.csv").read_text().splitlines()[-1] == "welcome,8,0"
    assert shell("report", str(CLUB), "--format", "csv") == (run / "steps.csv").read_text()
    assert "nothing to do" in shell("run", str(CLUB))
    assert "welcomed: 0 errors of 8" in shell("verify", str(CLUB))


# --- what does not fit is told with the name of the package --------------------------------------------------------


def points(monkeypatch: pytest.MonkeyPatch, *values: str) -> None:
    found = [EntryPoint(f"p{n}", value, "cicscenario.things") for n, value in enumerate(values)]
    monkeypatch.setattr(registry, "entry_points", lambda group: found if group == "cicscenario.things" else [])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("nowhere.at_all:THING", "the package nowhere: .* cannot be loaded: ModuleNotFoundError"),
        ("os:no_such_thing", "the package os: .* cannot be loaded: AttributeError"),
        ("os:sep", r"is a str, expected a builtins\.int"),
        ("sys:maxunicode", "provides `1114111` in cicscenario.things, but cicscenario itself has that name already"),
    ],
)
def test_what_does_not_fit_is_one_line_that_names_the_package(
    monkeypatch: pytest.MonkeyPatch, value: str, said: str
) -> None:
    points(monkeypatch, value)
    with pytest.raises(InvalidError, match=said):
        registry.registered("things", (1, sys.maxunicode), int, str)


def test_what_fits_comes_behind_what_is_built_in(monkeypatch: pytest.MonkeyPatch) -> None:
    points(monkeypatch, "sys:maxunicode", "stat:S_IFREG")
    assert registry.registered("things", (1, 2), int, str) == (1, 2, sys.maxunicode, 0o100000)
