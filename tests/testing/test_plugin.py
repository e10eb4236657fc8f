"""The pytest plugin: silent and light in sessions that do not use it, and clear when there is no stack."""

import importlib.metadata
import json
import tomllib
from pathlib import Path

import pytest

from tests.support.outer_pytest import ROOT, project_in, session

UNUSED = """
import json, sys
def test_nothing_of_it_is_loaded():
    print(json.dumps(sorted(name for name in sys.modules if name.startswith(("cicscenario", "web3", "requests")))))
"""
BAD = """
import pytest
@pytest.mark.parametrize("number", [1, 2])
def test_one(cic_stack, number):
    stack = cic_stack("bad.yaml")
    raise AssertionError("not reached")
def test_options(cic_stack):
    cic_stack("wallets.yaml", services=["phone"])
def test_values(cic_stack):
    cic_stack("wallets.yaml", set={"population.sise": 3})
def test_not_there(cic_stack):
    cic_stack("none.yaml")
"""


def test_it_is_declared_where_pytest_looks() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    point = importlib.metadata.EntryPoint("cicscenario", declared["cicscenario"], "pytest11")
    assert callable(point.load().cic_stack)


@pytest.mark.parametrize("words", [[], ["-p", "no:cacheprovider"]])
def test_a_session_that_does_not_use_it_loads_next_to_nothing(words: list[str], tmp_path: Path) -> None:
    done = session(project_in(tmp_path, UNUSED), "-q", "-rP", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    if not words:
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("[")]
        assert json.loads(line) == ["cicscenario", "cicscenario.testing", "cicscenario.testing.plugin"]


def test_what_is_wrong_is_told_without_a_traceback(tmp_path: Path) -> None:
    project = project_in(tmp_path, BAD)
    (project / "bad.yaml").write_text("version: 1\nname: bad\npopulation: {sise: 3}\nbackend: eth\n")
    done = session(project, "-q")
    assert done.returncode == 1, done.stdout + done.stderr
    told = done.stdout
    assert told.count(f"--> {project / 'bad.yaml'}:3:14") == 2, "each test that asks is told"
    assert "population.sise" in told
    assert "the sandbox has no service 'phone'" in told
    assert f"there is no stack of {project / 'none.yaml'}" in told
    assert "5 failed" in told
    for unwanted in ("Traceback", "raise ", "def test", "stacks.py", "not reached"):
        assert unwanted not in told, told
