"""What is said when a run does not end well."""

import json
from pathlib import Path

import pytest

from cicscenario.cli.standing import verify_command, watched
from cicscenario.engine.events import CheckFinished, Listener, RunStarted, StepProgressed
from cicscenario.errors import ChecksFailedError, ExitCode, StepFailedError

BEGUN = RunStarted("a", "/runs/a", 12, {"population": 12, "gift": 4, "gas": 0})


def test_what_stops_a_run_is_told_with_the_first_step_that_not_everybody_is_through(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(listener: Listener) -> ExitCode:
        listener(BEGUN)
        listener(StepProgressed("gift", 9, 1, 12, 1.0))
        raise StepFailedError("the node has gone")

    with pytest.raises(StepFailedError) as caught:
        watched(stopped, "again", as_json=True)
    assert caught.value.__notes__ == ["step gift: 9 ok, 1 failed, 2 pending of 12"]
    assert [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()] == [
        "RunStarted",
        "StepProgressed",
    ]


def test_what_stops_a_run_before_its_first_step_is_told_alone() -> None:
    def stopped(listener: Listener) -> ExitCode:
        raise StepFailedError("the node has gone")

    with pytest.raises(StepFailedError) as caught:
        watched(stopped, "again", as_json=True)
    assert not hasattr(caught.value, "__notes__")


def test_failed_checks_are_told_again_with_the_command_that_asks_again() -> None:
    def ended(listener: Listener) -> ExitCode:
        listener(CheckFinished("gas", 0, 12, None, None))
        listener(CheckFinished("balance", 2, 12, "2%", "person 3: has 0"))
        listener(CheckFinished("pins", 1, 12, None, "person 5: has none"))
        return ExitCode.CHECKS_FAILED

    with pytest.raises(ChecksFailedError) as caught:
        watched(ended, "cicscenario verify a.yaml", as_json=True)
    assert caught.value.exit_code is ExitCode.CHECKS_FAILED
    assert caught.value.message == (
        "2 of 3 checks found errors; first, balance: 2 errors of 12 (allowed: 2%); first: person 3: has 0"
    )
    assert caught.value.hint
    assert caught.value.hint.endswith("cicscenario verify a.yaml")


def test_the_command_that_asks_again_asks_about_the_same_run() -> None:
    told = verify_command(Path("a b.yaml"), ["gift={threshold: 3}"], env="e.yaml", dir=Path("runs/x"), node=None)
    assert told == "cicscenario verify 'a b.yaml' --env e.yaml --dir runs/x --set 'gift={threshold: 3}'"
