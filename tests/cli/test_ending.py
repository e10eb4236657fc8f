"""What is said when checks have failed."""

import json
from pathlib import Path

import pytest

from cicscenario.cli.ending import watched
from cicscenario.engine.conclude import RunEnd
from cicscenario.engine.events import Listener, ReportWritten
from cicscenario.errors import ExitCode
from cicscenario.invocation import NamedRun, going_on, name_run
from cicscenario.report.listeners import View
from cicscenario.report.summary import write_record
from cicscenario.state.rows import CheckRow
from tests.support import recordings
from tests.support.failing_states import failing_run


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


@pytest.mark.parametrize("repaired", [False, True])
@pytest.mark.parametrize("undone", ["pending", "failed", None])
def test_as_long_as_a_step_is_not_done_the_run_goes_on_whatever_was_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], undone: str | None, repaired: bool
) -> None:
    """As after a run that was killed: the report, ``status`` and the error name the same command."""
    made = failing_run(tmp_path, size=3)
    made.make(without_account={})
    made.fail_check("pins", {1: "has no PIN"})
    if undone == "failed":
        made.fail_step("pins", {1: "the account table has no phone number"})
    if undone == "pending":
        made.store.withdraw(["pins"])
    name_run(NamedRun("b.yaml"))
    row = CheckRow("pins", 1, 3, None, [{"person": 1, "problem": "has no PIN"}])

    def body(listener: Listener) -> tuple[ExitCode, list[CheckRow]]:
        write_record(RunEnd(made.plan, made.store, made.directory, ExitCode.CHECKS_FAILED, checks=[row]))
        listener(ReportWritten(str(made.directory)))
        return ExitCode.CHECKS_FAILED, [row]

    assert watched(body, going_on("verify"), View(as_json=True), repaired=repaired) is ExitCode.CHECKS_FAILED
    hint = capsys.readouterr().err.partition("next: ")[2]
    report = json.loads((made.directory / "report.json").read_text())
    made.store.close()
    assert report["next"] == ("cicscenario run b.yaml" if undone else "cicscenario repair b.yaml")
    if repaired:
        wanted = (
            "then finish and verify: cicscenario run b.yaml" if undone else "then verify again: cicscenario verify b"
        )
        assert wanted in hint
    else:
        assert hint.splitlines()[0] == report["next"]


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
