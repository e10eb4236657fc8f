"""A command that prints nothing before its result says on the standard error that it goes on."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cicscenario.cli import export, stack
from cicscenario.cli.atwork import at_work
from cicscenario.engine.events import ServiceStarting
from cicscenario.state.store import STATE
from tests.support.scenarios import written
from tests.support.states import filled
from tests.support.waiting import eventually


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No seconds of silence are too few."""
    monkeypatch.setattr("cicscenario.report.liveness.SILENCE", 0.0)
    monkeypatch.setattr("cicscenario.report.console._QUIET", 0.0)


def slow(capsys: pytest.CaptureFixture[str], wanted: str) -> Callable[..., Any]:
    """Takes as long as it takes until the standard error has the text."""
    seen = [""]

    def heard() -> bool:
        seen[0] += capsys.readouterr().err
        return wanted in seen[0]

    return lambda *_, **__: eventually(heard)


def test_it_says_so_again_and_again_and_nothing_afterwards(impatient: None, capsys: pytest.CaptureFixture[str]) -> None:
    with at_work("reading the people") as listener:
        for _ in range(3):
            slow(capsys, "reading the people: no news for ")()
        listener(ServiceStarting("node", 1, 2))
        slow(capsys, "starting node: no news for ")()
    capsys.readouterr()
    assert capsys.readouterr().err == ""


def test_what_is_quick_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with at_work("reading the people"):
        print("done", file=sys.stdout)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("done\n", "")


def test_an_export_is_not_silent(tmp_path: Path, impatient: None, monkeypatch, capsys) -> None:
    filled(tmp_path / STATE)
    monkeypatch.setattr(export, "write_datadir", slow(capsys, "writing the people: no news for "))
    monkeypatch.setattr(export, "_chain_spec", lambda store: None)
    export.export(written(tmp_path, backend="eth"), tmp_path / "data", (), tmp_path)
    assert capsys.readouterr().out == f"4 people written to {tmp_path / 'data'}\n"


def test_a_sandbox_that_stops_is_not_silent(tmp_path: Path, impatient: None, monkeypatch, capsys) -> None:
    monkeypatch.setattr(stack.stack, "down", slow(capsys, "stopping the sandbox: no news for "))
    stack.down(tmp_path, purge=False)


def test_each_service_of_a_sandbox_that_starts_is_said(tmp_path: Path, monkeypatch, capsys) -> None:
    def up(home: Path, *, progress: Callable[..., None], **_: object) -> stack.stack.StackInfo:
        progress("node", 1, 2, None)
        progress("node", 1, 2, 0.5)
        return stack.stack.StackInfo(home / "environment.yaml", started=True)

    monkeypatch.setattr(stack.stack, "up", up)
    stack.up(tmp_path, node=None, contracts=None)
    assert "sandbox, service 1 of 2: node is ready after 0.5 s" in capsys.readouterr().err
