"""``cicscenario stack`` as a user sees it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.api import workspace
from cicscenario.api.runplace import SandboxChoice
from cicscenario.cli import stack as command
from cicscenario.errors import ExitCode
from cicscenario.plan.compile import compile_plan
from cicscenario.sandbox import stack
from cicscenario.vocabulary import load_scenario
from tests.support.commands import cicscenario


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CICSCENARIO_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"
    stack.down(tmp_path / "home")


@pytest.mark.parametrize("env", [None, pytest.param("FILE", marks=pytest.mark.slow)])
def test_a_run_that_uses_it_is_named_and_keeps_it_up(home: Path, scenario: Path, env: str | None) -> None:
    plan = compile_plan(load_scenario(scenario))
    info = stack.up(home, services=["node"])
    with workspace.environment(plan, env and str(info.environment), SandboxChoice()):
        down = cicscenario(home, "stack", "down")
    assert down.returncode == ExitCode.STATE_REFUSED
    assert f"in use by the scenario small ({scenario}), process {os.getpid()}" in down.stderr
    assert {service.state for service in stack.status(home)} == {"up"}
    assert command.down(home, purge=False) == ExitCode.OK


def test_it_goes_up_shows_itself_and_goes_down(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.up(home, node=None, contracts="latest", services=["node"]) == ExitCode.OK
    assert f"the sandbox is up; its environment file is {home}/sandbox/environment.yaml" in capsys.readouterr().out
    command.up(home, node=None, contracts=None, services=["node"])
    assert "was up already" in capsys.readouterr().out

    assert command.status(home, fmt="text") == ExitCode.OK
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["service", "state", "pid", "address"]
    (service,) = stack.status(home)
    assert row.split()[:4] == ["node", "up", str(service.pid), service.address]
    assert "embedded node, latest contracts" in row

    assert command.status(home, fmt="json") == ExitCode.OK
    (document,) = json.loads(capsys.readouterr().out)
    assert document == {
        "name": "node",
        "state": "up",
        "pid": service.pid,
        "address": service.address,
        "detail": service.detail,
    }

    assert command.down(home, purge=False) == ExitCode.OK
    assert capsys.readouterr().out == "the sandbox is down\n"
    assert command.status(home, fmt="text") == ExitCode.UNAVAILABLE
    assert capsys.readouterr().out.splitlines()[1].split()[:3] == ["node", "down", "-"]

    assert command.down(home, purge=True) == ExitCode.OK
    assert capsys.readouterr().out == "the sandbox was not up; its data is deleted\n"
    assert command.status(home, fmt="text") == ExitCode.UNAVAILABLE
    assert "there is no sandbox" in capsys.readouterr().out
    command.status(home, fmt="json")
    assert json.loads(capsys.readouterr().out) == []
