"""What is said when checks have failed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.cli.ending import watched
from cicscenario.engine.events import Listener, ReportWritten
from cicscenario.errors import ExitCode
from cicscenario.invocation import NamedRun, name_run
from cicscenario.report.listeners import View
from cicscenario.state.rows import CheckRow
from tests.support import recordings


@pytest.fixture(autouse=True)
def _of_this_test_only() -> Iterator[None]:
    yield
    name_run(None)


def test_failed_checks_are_told_again_with_the_commands_that_repair_and_that_ask_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [
        CheckRow("gas", 0, 12, None, []),
        CheckRow("balance", 2, 12, "2%", [{"person": 3, "problem": "has 0"}]),
        CheckRow("pins", 1, 12, None, [{"person": 5, "problem": "has none"}]),
    ]

    name_run(NamedRun("a.yaml", ("gift.threshold=3",)))
    code = watched(lambda listener: (ExitCode.CHECKS_FAILED, rows), "cicscenario verify a.yaml", View(as_json=True))
    assert code is ExitCode.CHECKS_FAILED
    told = capsys.readouterr()
    error, first, then = told.err.splitlines()
    assert (
        error
        == "error: 2 of 3 checks found errors; first, balance: 2 errors of 12 (allowed: 2%); first: person 3: has 0"
    )
    assert first == "  next: cicscenario repair a.yaml --set gift.threshold=3", "it can be copied as it is"
    assert then.endswith("verify again: cicscenario verify a.yaml)")
    failed, ended = map(json.loads, told.out.splitlines())
    assert (failed["event"], failed["exit_code"]) == ("CommandFailed", 1)
    assert failed["hint"].endswith("cicscenario verify a.yaml)")
    assert (ended["event"], ended["exit_code"], ended["good"]) == ("CommandEnded", 1, False)


@pytest.mark.parametrize(
    ("code", "rows", "ends"),
    [
        (ExitCode.OK, [], ExitCode.UNAVAILABLE),
        (ExitCode.CHECKS_FAILED, [CheckRow("pins", 1, 12, None, [])], ExitCode.CHECKS_FAILED),
    ],
)
@pytest.mark.parametrize("broken", ["junit.xml", "progress.json"])
def test_a_run_without_its_reports_is_not_ok_and_hides_no_failed_check(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    code: ExitCode,
    rows: list[CheckRow],
    ends: ExitCode,
    broken: str,
) -> None:
    place = recordings.run_directory(tmp_path / "run", recordings.good())
    (place / broken).unlink(missing_ok=True)
    (place / broken).mkdir()

    def body(listener: Listener) -> tuple[ExitCode, list[CheckRow]]:
        listener(ReportWritten(str(place)))
        return code, rows

    assert watched(body, "cicscenario verify a.yaml", View(as_json=True)) is ends
    told = capsys.readouterr().err
    if ends is ExitCode.UNAVAILABLE:
        assert "the reports cannot be written: " in told
        assert str(place / broken) in told
        assert "when they can be written: cicscenario report " in told
