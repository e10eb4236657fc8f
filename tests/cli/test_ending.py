"""What is said when checks have failed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.cli.ending import watched
from cicscenario.engine.events import Listener, ReportWritten
from cicscenario.errors import ChecksFailedError, CicScenarioError, ExitCode
from cicscenario.invocation import NamedRun, name_run
from cicscenario.state.rows import CheckRow
from tests.support import recordings


@pytest.fixture(autouse=True)
def _of_this_test_only() -> Iterator[None]:
    yield
    name_run(None)


def test_failed_checks_are_told_again_with_the_command_that_asks_again() -> None:
    rows = [
        CheckRow("gas", 0, 12, None, []),
        CheckRow("balance", 2, 12, "2%", [{"person": 3, "problem": "has 0"}]),
        CheckRow("pins", 1, 12, None, [{"person": 5, "problem": "has none"}]),
    ]

    name_run(NamedRun("a.yaml", ("gift.threshold=3",)))
    with pytest.raises(ChecksFailedError) as caught:
        watched(lambda listener: (ExitCode.CHECKS_FAILED, rows), "cicscenario verify a.yaml", as_json=True)
    assert caught.value.exit_code is ExitCode.CHECKS_FAILED
    assert caught.value.message == (
        "2 of 3 checks found errors; first, balance: 2 errors of 12 (allowed: 2%); first: person 3: has 0"
    )
    assert caught.value.hint
    first, then = caught.value.hint.splitlines()
    assert first == "cicscenario repair a.yaml --set gift.threshold=3", "it can be copied as it is"
    assert then.endswith("verify again: cicscenario verify a.yaml)")


@pytest.mark.parametrize(
    ("code", "rows", "ends"),
    [
        (ExitCode.OK, [], ExitCode.UNAVAILABLE),
        (ExitCode.CHECKS_FAILED, [CheckRow("pins", 1, 12, None, [])], ExitCode.CHECKS_FAILED),
    ],
)
@pytest.mark.parametrize("broken", ["junit.xml", "progress.json"])
def test_a_run_without_its_reports_is_not_ok_and_hides_no_failed_check(
    tmp_path: Path, code: ExitCode, rows: list[CheckRow], ends: ExitCode, broken: str
) -> None:
    place = recordings.run_directory(tmp_path / "run", recordings.good())
    (place / broken).unlink(missing_ok=True)
    (place / broken).mkdir()

    def body(listener: Listener) -> tuple[ExitCode, list[CheckRow]]:
        listener(ReportWritten(str(place)))
        return code, rows

    with pytest.raises(CicScenarioError) as caught:
        watched(body, "cicscenario verify a.yaml", as_json=True)
    assert caught.value.exit_code is ends
    if ends is ExitCode.UNAVAILABLE:
        assert "the reports cannot be written: " in caught.value.message
        assert str(place / broken) in caught.value.message
        assert str(caught.value.hint).startswith("when they can be written: cicscenario report ")
