"""``runs`` lists what is in the home folder, whatever its condition; ``compare`` finds runs by directory, file or name."""

import json
from pathlib import Path

import pytest

from cicscenario.cli import runs as command
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.state.directory import directory_lock
from cicscenario.state.store import STATE
from tests.support import recordings
from tests.support.scenarios import written
from tests.support.states import filled


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CICSCENARIO_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def runs_folder(home: Path) -> Path:
    folder = home / "runs"
    recordings.run_directory(folder / "good", recordings.good())
    recordings.run_directory(folder / "bad", recordings.bad(), failed=3)
    return folder


def test_without_runs_it_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.runs("text") is ExitCode.OK
    assert capsys.readouterr().out == f"there are no runs in {home / 'runs'}\n"
    command.runs("json")
    assert json.loads(capsys.readouterr().out) == []


def test_each_run_is_told_with_its_verdict_whatever_its_condition(
    runs_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with directory_lock(runs_folder / "killed"):
        filled(runs_folder / "killed" / STATE)
    recordings.run_directory(runs_folder / "damaged", recordings.good())
    (runs_folder / "damaged" / "report.json").write_text("{")
    (runs_folder / "no run").mkdir()
    (runs_folder / "a file").write_text("")
    with directory_lock(runs_folder / "now"):
        filled(runs_folder / "now" / STATE)
        command.runs("json")
    found = {line["name"]: line for line in json.loads(capsys.readouterr().out)}
    assert {name: line["verdict"] for name, line in found.items()} == {
        "good": "Everybody arrived",
        "bad": "Stopped: a service does not answer, a step failed or a deadline passed",
        "killed": "Killed: it ended without a report",
        "now": "Under way",
        "damaged": "its records are damaged",
    }
    assert [name for name, line in found.items() if line["good"]] == ["good"]
    assert (found["good"]["people"], found["good"]["timeline_seconds"]) == (1000, 4.0)
    assert (found["killed"]["people"], found["killed"]["began"]) == (None, None)


def test_they_are_a_table_for_people(runs_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.runs("text")
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["run", "verdict", "people", "last", "command", "began", "took", "steps"]
    [good] = [row for row in rows if row.startswith("good ")]
    assert "  Everybody arrived  " in good
    assert good.endswith("  4.0 s")
    assert "  1,000  " in good


def test_runs_are_found_by_directory_file_and_name(runs_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = written(runs_folder.parent, "good", backend="eth", environment="sandbox")
    for named in ("good", str(runs_folder / "good"), str(scenario)):
        assert command.compare(named, "good", 25.0, "text") is ExitCode.OK
        assert capsys.readouterr().out.endswith("the second run is no worse than the first\n")


def test_a_run_that_is_worse_is_exit_code_1(runs_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.compare("good", "bad", 25.0, "text") is ExitCode.CHECKS_FAILED
    told = capsys.readouterr().out
    assert "fails now:\n  step gift: 3 of 1,000 people\n  check balance: 25 of 1,000 people\n" in told
    assert "things fail now" in told
    assert command.compare("bad", "good", 25.0, "json") is ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    assert document["worse"] is False
    assert "step gift: 3 of 1,000 people" in document["no_longer_fails"]


@pytest.mark.parametrize("named", ["none", "runs/good", "../runs", ""])
def test_what_is_no_run_is_a_mistake(runs_folder: Path, named: str) -> None:
    with pytest.raises(InvalidError) as told:
        command.compare(named, "good", 25.0, "text")
    assert told.value.hint
