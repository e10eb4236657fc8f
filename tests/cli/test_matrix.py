"""A scenario with a matrix on the command line: each combination on its own, and one summary of all."""

import json
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft202012Validator

from cicscenario.api import workspace
from cicscenario.api.home import HOME
from cicscenario.api.naming import about
from cicscenario.api.runplace import RunPlace
from cicscenario.cli import config, diff, plan, runs, status
from cicscenario.cli.app import app
from cicscenario.cli.boundary import boundary
from cicscenario.cli.commandline import as_given, choose
from cicscenario.cli.matrix import MatrixCommand, each, several
from cicscenario.cli.validate import validate
from cicscenario.engine.deadline import Deadline
from cicscenario.engine.events import CommandEnded
from cicscenario.engine.select import Selection, select_steps
from cicscenario.errors import ExitCode, InvalidError, worst
from cicscenario.invocation import going_on, recall
from cicscenario.report.listeners import View
from cicscenario.report.matrix import CombinationEnd, MatrixSummary
from cicscenario.resources import load_schema
from cicscenario.vocabulary import load_scenario, load_scenarios
from tests.support.commands import command_environment, command_line
from tests.support.sandboxes import Run, Sandbox, gifts_since, registered_since

TEXT = """version: 1
name: m
population: {size: 5, seed: 3}
gift: {threshold: 5}
matrix:
  gift.threshold: [0, 4]
  population.size: [3, 5]
backend: {kind: eth, keystore: {kdf: none}}
environment: sandbox
"""
LABELS = [f"gift.threshold={gift},population.size={size}" for gift in (0, 4) for size in (3, 5)]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(HOME, str(tmp_path / "home"))
    Path("m.yaml").write_text(TEXT)
    return Path("m.yaml")


def ended(code: ExitCode, *, good: bool | None = None, report: str | None = None) -> CommandEnded:
    well = code is ExitCode.OK if good is None else good
    return CommandEnded("said", well, int(code), 5, 0 if well else 2, 4, 1.5, report)


class Runs:
    """Stands in for a run: notes what it was asked for, and ends as it was told."""

    def __init__(self, *codes: ExitCode) -> None:
        self.codes = list(codes)
        self.asked: list[tuple[str, ...]] = []
        self.commands: list[str] = []
        self.given: list[str] = []

    def __call__(self, values: tuple[str, ...]) -> CommandEnded:
        self.asked.append(values)
        self.commands.append(going_on("run"))
        self.given.append(as_given())
        return ended(self.codes.pop(0))


def gone_through(file: Path, one: Runs, *, as_json: bool = False, fail_fast: bool = False) -> ExitCode:
    about(file, ["gas=0"])
    command = MatrixCommand(RunPlace(file), View(as_json=as_json), fail_fast)
    return each(command, several(file, ["gas=0"]), one)


def summary(folder: Path) -> dict[str, Any]:
    return summary_in(folder / "home/runs/m")


@pytest.mark.parametrize(("name", "made"), [("run", True), ("verify", False)])
def test_the_folder_that_is_named_for_all_of_them_is_kept_out_of_repositories(
    file: Path, name: str, made: bool
) -> None:
    """The summary is in it, beside the run directories. A command that only looks makes nothing."""
    about(file, [])
    each(
        MatrixCommand(RunPlace(file, directory=Path("all")), View(), name=name),
        several(file, []),
        Runs(*[ExitCode.OK] * 4),
    )
    assert Path("all", ".gitignore").exists() is made


# --- going through all -------------------------------------------------------------------------------------------------


def test_each_combination_is_run_and_named_by_its_own_whole_command(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["cicscenario", "run", "m.yaml", "--set", "gas=0", "--fresh", "--yes"])
    one = Runs(*[ExitCode.OK] * 4)
    assert gone_through(file, one) is ExitCode.OK
    assert [",".join(values) for values in one.asked] == LABELS
    for command in (one.commands[2], one.given[2]):
        assert command == "cicscenario run m.yaml --set gas=0 --set gift.threshold=4 --set population.size=3"
    assert going_on("run") == "cicscenario run m.yaml --set gas=0", "afterwards, all of them"
    assert as_given() == "cicscenario run m.yaml --set gas=0"
    for text, label in zip(one.commands, LABELS, strict=True):
        words = shlex.split(text)
        sets = [words[at + 1] for at, word in enumerate(words) if word == "--set"]
        (chosen,) = load_scenarios(file, sets)
        assert chosen.combination
        assert chosen.combination.label == label


def test_a_combination_that_does_not_end_well_does_not_stop_the_next_and_the_worst_exit_code_counts(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = Runs(ExitCode.UNAVAILABLE, ExitCode.OK, ExitCode.CHECKS_FAILED, ExitCode.OK)
    assert gone_through(file, one) is ExitCode.UNAVAILABLE
    out = capsys.readouterr().out
    assert len(one.asked) == 4
    assert [line for line in out.splitlines() if line.startswith("[")] == [
        f"[{number} of 4] m/{label}" for number, label in enumerate(LABELS, 1)
    ]
    assert (
        f"to go on with {LABELS[0]}: cicscenario run m.yaml --set gas=0 --set gift.threshold=0 --set population.size=3"
        in out
    )
    assert re.fullmatch(r"Everybody arrived in 2 of 4 runs, .* s\. Summary: \S+/m/report\.md", out.splitlines()[-1])
    document = summary(tmp_path)
    assert [(run["combination"], run["good"], run["exit_code"]) for run in document["runs"]] == [
        (LABELS[0], False, 3), (LABELS[1], True, 0), (LABELS[2], False, 1), (LABELS[3], True, 0),
    ]  # fmt: skip
    assert (document["exit_code"], document["good"]) == (3, False)
    assert [run["directory"] for run in document["runs"]] == [str(tmp_path / "home/runs/m" / label) for label in LABELS]


@pytest.mark.parametrize(
    ("codes", "fail_fast", "made"),
    [
        ([ExitCode.OK, ExitCode.INTERRUPTED], False, 2),
        ([ExitCode.RECONCILE], False, 1),
        ([ExitCode.OK, ExitCode.CHECKS_FAILED], True, 2),
        ([ExitCode.OK, ExitCode.OK, ExitCode.OK, ExitCode.UNAVAILABLE], True, 4),
    ],
)
def test_what_makes_the_next_combination_pointless_or_unwanted_ends_all(
    file: Path, tmp_path: Path, codes: list[ExitCode], fail_fast: bool, made: int
) -> None:
    one = Runs(*codes)
    assert gone_through(file, one, fail_fast=fail_fast) is codes[-1]
    assert len(one.asked) == made
    told = summary(tmp_path)["runs"]
    assert [run["verdict"] for run in told[made:]] == ["Not run"] * (4 - made)
    assert all(f"--set {values}" in run["next"] for run in told[made:] for values in run["combination"].split(","))


def test_after_the_deadline_of_the_command_no_other_combination_is_begun(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    about(file, [])
    one, command = Runs(ExitCode.OK), MatrixCommand(RunPlace(file), View(), deadline=Deadline(1e-9))
    assert each(command, several(file, []), one) is ExitCode.UNAVAILABLE
    assert len(one.asked) == 1
    assert [run["verdict"] for run in summary(tmp_path)["runs"][1:]] == ["Not run"] * 3
    assert summary(tmp_path)["exit_code"] == ExitCode.UNAVAILABLE
    told = capsys.readouterr().err
    assert "the deadline of this command, 1e-09 s (--deadline), has passed; combination 2 of 4 was not begun" in told
    assert "resume: cicscenario" in told


def test_the_summary_is_there_after_each_combination(file: Path, tmp_path: Path) -> None:
    def killed(values: tuple[str, ...]) -> CommandEnded:
        if "gift.threshold=4" in values:
            raise SystemExit
        return ended(ExitCode.OK)

    about(file, [])
    with pytest.raises(SystemExit):
        each(MatrixCommand(RunPlace(file), View()), several(file, []), killed)
    assert [run["verdict"] for run in summary(tmp_path)["runs"]] == ["Everybody arrived"] * 2 + ["Not run"] * 2


def test_a_summary_that_cannot_be_written_is_an_error_and_stops_no_run(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home/runs").mkdir(parents=True)
    (tmp_path / "home/runs/m").write_text("a file where the folder has to be")
    one = Runs(*[ExitCode.OK] * 4)
    assert gone_through(file, one) is not ExitCode.OK
    assert len(one.asked) == 4
    assert str(tmp_path / "home/runs/m") in capsys.readouterr().err


def test_the_events_of_all_are_of_their_schema_and_the_last_is_the_verdict_of_all(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone_through(file, Runs(*[ExitCode.OK] * 3, ExitCode.CHECKS_FAILED), as_json=True)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    check = Draft202012Validator(load_schema("events-v1"))
    for event in events:
        check.validate(event)
    assert [event["event"] for event in events] == ["CombinationStarted"] * 4 + ["MatrixEnded"]
    assert [event["combination"] for event in events[:-1]] == LABELS
    assert (events[-1]["runs"], events[-1]["good_runs"], events[-1]["exit_code"]) == (4, 3, 1)


def test_the_summary_for_merge_requests_has_each_combination_and_the_command_that_goes_on(
    file: Path, tmp_path: Path
) -> None:
    gone_through(file, Runs(ExitCode.OK, ExitCode.UNAVAILABLE, ExitCode.INTERRUPTED))
    text = (tmp_path / "home/runs/m/report.md").read_text()
    assert text.startswith("## ❌ m: Everybody arrived in 1 of 4 runs")
    assert text.count("\n| gift.threshold=") == 4
    assert "    cicscenario run m.yaml --set gas=0 --set gift.threshold=0 --set population.size=5\n" in text
    suites = ET.fromstring((tmp_path / "home/runs/m/junit.xml").read_text())
    cases = {suite.get("name"): [child.tag for child in suite.find("testcase") or ()] for suite in suites}
    assert cases[f"m/{LABELS[1]}.run"] == ["error"]
    assert cases[f"m/{LABELS[3]}.run"] == ["skipped"], "it was not run"
    assert (suites.get("tests"), suites.get("errors"), suites.get("skipped")) == ("4", "3", "1")


def test_what_was_not_run_is_gone_on_with_by_one_command_for_all(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone_through(file, Runs(ExitCode.OK, ExitCode.INTERRUPTED))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("to go on")]
    assert lines == [
        f"to go on with {LABELS[1]}: cicscenario run m.yaml --set gas=0 --set gift.threshold=0 --set population.size=5",
        "to go on with all: cicscenario run m.yaml --set gas=0",
    ]


@pytest.mark.parametrize(("width", "shown"), [(None, True), (300, True), (90, False)])
def test_the_table_fits_into_the_terminal(width: int | None, shown: bool) -> None:
    ends = tuple(
        CombinationEnd(label, Path("d", label), ended(ExitCode.OK, report=f"/x/{label}/report.html"))
        for label in LABELS
    )
    lines = list(MatrixSummary("m", Path("m.yaml"), Path("d"), ends, 1.0, "").lines(width))
    assert len(lines) == 5
    assert all(("report.html" in line) is shown for line in lines[1:])
    assert width is None or max(map(len, lines)) <= width


def test_the_worst_exit_code_is_that_which_needs_most_of_a_person() -> None:
    order = [ExitCode(code) for code in (0, 1, 3, 4, 2, 5, 70, 130)]
    assert sorted(ExitCode, key=order.index) == order, "every exit code has its place"
    for place, code in enumerate(order):
        assert worst(order[: place + 1]) is code
        assert worst(reversed(order[: place + 1])) is code
    assert worst([]) is ExitCode.OK


def test_what_the_state_of_a_combination_kept_is_recalled_for_it_and_for_no_other() -> None:
    about(Path("m.yaml"), [], recalls=True)
    choose(["a=1"])
    recall({"sets": ["gas=0", "a=1"], "env": "e.yaml"})
    assert going_on("run") == "cicscenario run m.yaml --env e.yaml --set gas=0 --set a=1"
    choose(["a=2"])
    assert going_on("run") == "cicscenario run m.yaml --set a=2"
    choose([])
    assert going_on("run") == "cicscenario run m.yaml"


def test_a_combination_where_a_step_is_wanted_is_told_how_to_choose_it() -> None:
    plan_of_two = SimpleNamespace(steps=[SimpleNamespace(name="accounts"), SimpleNamespace(name="gift")])
    with pytest.raises(InvalidError) as caught:
        select_steps(plan_of_two, Selection(only=("backend=eth",)))
    assert caught.value.hint == "to choose combinations of a matrix: --set backend=eth"


# --- directories -------------------------------------------------------------------------------------------------------


def test_each_combination_has_a_directory_of_its_own_also_in_one_that_is_named(file: Path, tmp_path: Path) -> None:
    found = load_scenarios(file)
    assert [workspace.run_directory(one, None) for one in found] == [
        tmp_path / "home/runs/m" / label for label in LABELS
    ]
    assert workspace.run_directory(found[0], Path("d")) == tmp_path / "d" / LABELS[0]
    assert workspace.run_directory(found[0], Path("d", LABELS[0])) == tmp_path / "d" / LABELS[0], "the directory itself"
    with pytest.raises(InvalidError, match="directory of one combination"):
        each(MatrixCommand(RunPlace(file, directory=Path("d", LABELS[1])), View()), found, Runs())


def test_an_environment_on_the_command_line_is_refused_where_the_matrix_varies_it(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("version: 1\nname: m\npopulation: {size: 1}\nmatrix: {environment: [sandbox, a.yaml]}\n")
    one = load_scenario(path, ["environment=sandbox"])
    assert workspace.named_environment(one, None) == "sandbox"
    with pytest.raises(InvalidError, match="varies `environment`"):
        workspace.named_environment(one, "b.yaml")


# --- the other commands -------------------------------------------------------------------------------------------------


def test_a_file_with_errors_or_with_one_combination_is_left_to_the_command(file: Path) -> None:
    assert several(file, ["gift.threshold=4", "population.size=3"]) == []
    assert several(file, ["nothing=4"]) == []
    assert several(Path("none.yaml"), []) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["repair", "m.yaml", "--yes"],
        ["run", "m.yaml", "--again", "gift", "--yes"],
        ["run", "m.yaml", "--reconcile"],
        ["run", "m.yaml", "--save", "green.zst"],
        ["show", "m.yaml", "1"],
        ["show", "m.yaml", "--pins"],
        ["report", "m.yaml"],
        ["export", "m.yaml", "out"],
        ["watch", "m.yaml"],
        ["state", "show", "m.yaml"],
        ["state", "verify", "m.yaml"],
        ["state", "repair", "m.yaml"],
    ],
)
def test_a_command_about_one_run_says_what_to_add(
    file: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["cicscenario", *arguments])
    assert boundary(lambda: app(arguments)) is ExitCode.INVALID
    error = capsys.readouterr().err
    assert error.startswith(
        "error: m.yaml has a matrix of 4 runs, and this is about one of them\n  next: say which one:\n"
    )
    assert "\n    --set gift.threshold=4 --set population.size=5\n" in error


def test_status_shows_each_combination(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.status(file, [], None, "text") is ExitCode.OK
    assert [line.partition(": ")[0] for line in capsys.readouterr().out.splitlines()] == [f"m/{one}" for one in LABELS]
    status.status(file, ["gift.threshold=4"], None, "json")
    document = json.loads(capsys.readouterr().out)
    assert [run["scenario"] for run in document["runs"]] == [f"m/{one}" for one in LABELS[2:]]
    assert [run["population"] for run in document["runs"]] == [3, 5]
    assert document["runs"][0]["next"] == "cicscenario run m.yaml --set gift.threshold=4 --set population.size=3"


def test_plan_shows_each_combination_and_their_sum(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan.plan(file, [], None, None, "text") is ExitCode.OK
    out = capsys.readouterr().out
    assert re.findall(r"^Plan: (m/\S+) \(eth, (\d)", out, re.MULTILINE) == list(
        zip(map("m/{}".format, LABELS), "3535", strict=True)
    )
    single = [int(number) for number in re.findall(r"^Plan: (\d+) to do", out, re.MULTILINE)]
    assert f"All 4 runs: 16 people; {sum(single)} to do, 0 done;" in out
    plan.plan(file, [], None, None, "json")
    document = json.loads(capsys.readouterr().out)
    assert document["totals"]["to_do"] == sum(single)
    assert len(document["runs"]) == 4


def test_config_shows_what_differs_for_each_combination(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.config(file, [], None, "json")
    found = json.loads(capsys.readouterr().out)
    sizes = [(one["value"], one["combination"]) for one in found if one["key"] == "population.size"]
    assert sizes == list(zip([3, 5, 3, 5], LABELS, strict=True))
    assert [one["key"] for one in found if one["key"] == "gas"] == ["gas"], "the same in all"
    config.config(file, ["population.size=3"], None, "text")
    out = capsys.readouterr().out
    assert re.search(r"gift.threshold +4 +m.yaml:6  with gift.threshold=4,population.size=3", out)
    assert out.count("made from 3 for this combination") == 2


def test_validate_says_how_many_combinations_are_valid(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate([file], [], "text", strict=True) is ExitCode.OK
    assert capsys.readouterr().out == "m.yaml: valid in all 4 combinations\n"


def test_a_key_that_some_combination_uses_is_not_idle(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(TEXT.replace("gift.threshold: [0, 4]", "backend.kind: [eth, cic_eth]") + "gas: 5\n")
    assert validate([file], [], "text", strict=True) is ExitCode.OK
    assert validate([file], ["backend.kind=cic_eth"], "text", strict=True) is ExitCode.INVALID
    assert "`gas` has no effect" in capsys.readouterr().err


def test_diff_compares_each_combination_with_its_own(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("new.yaml").write_text(TEXT.replace("[3, 5]", "[3, 6]") + "gas: 5\n")
    assert diff.diff("m.yaml", "new.yaml", "text") is ExitCode.CHECKS_FAILED
    out = capsys.readouterr().out
    heads = [line for line in out.splitlines() if line.startswith("m.yaml")]
    assert len(heads) == 6
    assert f"m.yaml -> new.yaml ({LABELS[1]})\n  removed: it had 5 people" in out
    assert f"m.yaml -> new.yaml ({LABELS[1].replace('5', '6')})\n  new: 6 people" in out
    assert diff.diff("m.yaml", "m.yaml", "text") is ExitCode.OK


def test_runs_are_listed_and_compared_by_the_name_of_the_combination(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for label in LABELS[:2]:
        place = tmp_path / "home/runs/m" / label
        place.mkdir(parents=True)
        (place / "report.json").write_text("{}")
    runs.runs("json")
    assert [run["name"] for run in json.loads(capsys.readouterr().out)] == [f"m/{label}" for label in LABELS[:2]]
    with pytest.raises(InvalidError, match="2 runs, one for each combination") as caught:
        runs.compare("m", "m", 25, "text")
    assert f"\n    m/{LABELS[0]}" in str(caught.value.hint)
    with pytest.raises(InvalidError, match="matrix of 4 runs") as caught:
        runs.compare("m.yaml", "m", 25, "text")
    assert f"\n    m/{LABELS[3]}" in str(caught.value.hint)


# --- for real ----------------------------------------------------------------------------------------------------------

REAL = """version: 1
name: real
population: {size: 5, seed: 3}
gift: {threshold: 50}
matrix:
  backend.keystore.kdf: [light, none]
  population.size: [3]
backend: eth
environment: sandbox
"""
REAL_LABELS = [f"backend.keystore.kdf={kdf},population.size=3" for kdf in ("light", "none")]


@pytest.mark.slow
def test_a_matrix_that_is_killed_goes_on_and_one_broken_combination_makes_it_red_until_it_is_repaired(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "real.yaml"
    path.write_text(REAL)
    base, since = sandbox.home / "runs/real", sandbox.block()
    first, second = (Run(sandbox, path, base / label) for label in REAL_LABELS)

    command = command_line("run", str(path))
    started = subprocess.Popen(command, env=command_environment(sandbox.home), stdout=subprocess.PIPE, text=True)
    second.when("SELECT 1 FROM outcomes WHERE step = 'registration'")
    started.send_signal(signal.SIGKILL)
    started.communicate()
    assert [run["verdict"] for run in summary_in(base)["runs"]] == ["Everybody arrived", "Not run"]
    assert first.errors()

    again = sandbox.command("run", str(path))
    assert again.returncode == 0, again.stderr
    assert "nothing to do: 3 of 3 people are done" in again.stdout.partition("[2 of 2]")[0]
    assert summary_in(base)["good"]
    people = first.addresses() + second.addresses()
    assert len(set(people)) == 6
    assert registered_since(sandbox, since) == dict.fromkeys(people, 1)
    assert gifts_since(sandbox, since) == first.given() + second.given(), "each once, and no one else's"
    phones = [row for run in (first, second) for row in run.rows("SELECT phone FROM people")]
    assert len(set(phones)) == 6, "the people of two combinations are different ones"

    for file in (first.place / "keystore").glob("*.json"):
        file.unlink()
    broken = sandbox.command("verify", str(path))
    assert broken.returncode == 1, broken.stderr
    assert broken.stdout.splitlines()[-1].startswith("Everybody arrived in 1 of 2 runs")
    told = summary_in(base)["runs"]
    assert [(run["exit_code"], run["astray"]) for run in told] == [(1, 3), (0, 0)]
    assert 'failures="1"' in (base / "junit.xml").read_text().splitlines()[1]

    mending = shlex.split(told[0]["next"])
    assert mending == ["cicscenario", "repair", str(path), *shlex.split(
        "--set backend.keystore.kdf=light --set population.size=3")]  # fmt: skip
    assert sandbox.command(*mending[1:], "--yes").returncode == 0
    assert sandbox.command("verify", str(path)).returncode == 0
    assert summary_in(base)["good"]


def summary_in(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    Draft202012Validator(load_schema("summary-v1")).validate(document)
    return document
