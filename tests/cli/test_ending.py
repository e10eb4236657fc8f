"""What is said when checks have failed."""

from pathlib import Path

import pytest

from cicscenario.cli.ending import verify_command, watched
from cicscenario.errors import ChecksFailedError, ExitCode
from cicscenario.state.rows import CheckRow


def test_failed_checks_are_told_again_with_the_command_that_asks_again() -> None:
    rows = [
        CheckRow("gas", 0, 12, None, []),
        CheckRow("balance", 2, 12, "2%", [{"person": 3, "problem": "has 0"}]),
        CheckRow("pins", 1, 12, None, [{"person": 5, "problem": "has none"}]),
    ]

    with pytest.raises(ChecksFailedError) as caught:
        watched(lambda listener: (ExitCode.CHECKS_FAILED, rows), "cicscenario verify a.yaml", as_json=True)
    assert caught.value.exit_code is ExitCode.CHECKS_FAILED
    assert caught.value.message == (
        "2 of 3 checks found errors; first, balance: 2 errors of 12 (allowed: 2%); first: person 3: has 0"
    )
    assert caught.value.hint
    assert caught.value.hint.endswith("cicscenario verify a.yaml")


def test_the_command_that_asks_again_asks_about_the_same_run() -> None:
    told = verify_command(Path("a b.yaml"), ["gift={threshold: 3}"], env="e.yaml", dir=Path("runs/x"), node=None)
    assert told == "cicscenario verify 'a b.yaml' --env e.yaml --dir runs/x --set 'gift={threshold: 3}'"
