"""The stages of a run, each called by itself."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.step import Lane, Part, PlannedStep, ResultFile, Step
from cicscenario.engine.conclude import (
    RunEnd,
    cause_and_rest,
    conclude,
    going_on_with,
    nothing_left,
    write_files,
    write_transactions,
)
from cicscenario.engine.deadline import Deadlines
from cicscenario.engine.events import Event, Noted, ReportWritten, StageStarted
from cicscenario.engine.lost import reopen_lost
from cicscenario.engine.run import Run, RunRequest, report
from cicscenario.engine.select import Selection, select_steps
from cicscenario.errors import (
    ExitCode,
    InterruptedRunError,
    InvalidError,
    StateRefusedError,
    StepFailedError,
    UnavailableError,
)
from cicscenario.invocation import going_on
from cicscenario.people.person import Person
from cicscenario.plan.compile import Plan, compile_plan
from cicscenario.state import inspection
from cicscenario.state.inspection import InspectBeside
from cicscenario.state.rows import CheckRow, Outcome
from cicscenario.state.store import STATE, Store
from cicscenario.vocabulary import load_scenario
from tests.support.scenarios import written
from tests.support.states import alter, transaction

NOTHING: Any = None


def person(number: int) -> Person:
    return Person(number, "{}", f"+2547{number:08}", "en", (), bytes(20), 0, bytes([number + 1]) * 20)


def planned(name: str, *after: str, **declared: Any) -> PlannedStep:
    return PlannedStep(Step(name, NOTHING, after=after, **declared), Part("does", Lane.CPU, NOTHING))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Three people who are through the first step; two of them through the second."""
    store = Store(tmp_path / STATE)
    store.commit("first", [Outcome(n, ok=True) for n in range(3)], people=[person(n) for n in range(3)])
    store.commit("second", [Outcome(n, ok=True) for n in range(2)])
    yield store
    store.close()


def a_plan(tmp_path: Path, *steps: PlannedStep, size: int = 3) -> Plan:
    scenario = load_scenario(written(tmp_path))
    return Plan(scenario, steps, (), NOTHING, size)


FIRST, SECOND = planned("first"), planned("second", "first")


# --- the selection ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (Selection(until="registration"), {"population", "accounts", "registration"}),
        (Selection(since="gas"), {"gas", "keystore"}),
        (Selection(only=("gas",)), {"gas"}),
        (Selection(since="accounts", until="registration", only=("accounts", "gas")), {"accounts"}),
    ],
)
def test_steps_are_selected_by_name(tmp_path: Path, selection: Selection, names: set[str]) -> None:
    assert select_steps(compile_plan(load_scenario(written(tmp_path))), selection) == names


def test_a_step_that_there_is_not_and_a_selection_of_nothing_are_refused(tmp_path: Path) -> None:
    plan = compile_plan(load_scenario(written(tmp_path)))
    assert select_steps(plan, Selection()) is None
    with pytest.raises(InvalidError, match="this scenario has no step 'moon'"):
        select_steps(plan, Selection(only=("moon",)))
    with pytest.raises(InvalidError, match="the command line selects no step"):
        select_steps(plan, Selection(since="gas", until="accounts"))


# --- the end ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("selected", [None, {"second"}])
def test_people_who_are_not_through_are_no_success(tmp_path: Path, store: Store, selected: set[str] | None) -> None:
    """Whatever the checks say, and also when there is none."""
    with pytest.raises(StepFailedError, match="step second: 1 person pending of 3, because the steps before"):
        conclude(a_plan(tmp_path, FIRST, SECOND), store, selected)


def test_people_who_are_pending_at_a_step_that_was_not_asked_for_are_none_of_its_business(
    tmp_path: Path, store: Store
) -> None:
    conclude(a_plan(tmp_path, FIRST, SECOND), store, {"first"})
    store.commit("second", [Outcome(2, ok=True)])
    conclude(a_plan(tmp_path, FIRST, SECOND), store, None)


def test_somebody_who_failed_is_named(tmp_path: Path, store: Store) -> None:
    store.commit("second", [Outcome(2, ok=False, detail="no account")])
    with pytest.raises(
        StepFailedError, match="step second: 2 ok, 1 failed, 0 pending of 3; first, person 2: no account"
    ):
        conclude(a_plan(tmp_path, FIRST, SECOND), store, None)


def test_a_long_reason_is_told_in_lines(tmp_path: Path, store: Store) -> None:
    parts = [
        "it waits for nonce 17, and " + "x" * 150,
        "the gifter has 0 wei",
        "`cicscenario explain engine-standstill` tells",
    ]
    store.commit("second", [Outcome(1, ok=False, detail="; ".join(parts))])
    with pytest.raises(StepFailedError, match=f"first, person 1: {parts[0]}$") as told:
        conclude(a_plan(tmp_path, FIRST, SECOND), store, None)
    assert told.value.hint == f"{parts[1]}\n    {parts[2]}"
    assert cause_and_rest("short; and to the point") == ("short; and to the point", None)
    assert cause_and_rest("y" * 300) == ("y" * 300, None)


def test_there_is_something_left_while_a_file_is_missing(tmp_path: Path, store: Store) -> None:
    lists = ResultFile("list.csv", lambda context, path, pages: path.write_text(str(sum(map(len, pages)))) and None)
    plan = a_plan(tmp_path, FIRST, planned("second", "first", files=(lists,)), size=2)
    store.set_meta({"scenario": json.dumps(plan.scenario.canonical())})
    assert not nothing_left(plan, store, tmp_path, None)
    context = RunContext(plan.scenario, tmp_path, NOTHING, NOTHING, store, threading.Event())
    write_files(plan, context)
    assert (tmp_path / "list.csv").read_text() == "2", "those who are through the step"
    assert nothing_left(plan, store, tmp_path, None)
    assert not nothing_left(plan, store, tmp_path, {"first"})


def test_it_goes_on_until_every_check_has_passed_for_everybody(tmp_path: Path, store: Store) -> None:
    plan = compile_plan(load_scenario(written(tmp_path, backend="eth")))
    store.set_meta({"scenario": json.dumps(plan.scenario.canonical())})
    for name in (step.name for step in plan.steps):
        assert going_on_with(plan, store, wrong=True) == going_on("run"), "a repair makes nothing for the first time"
        store.commit(name, [Outcome(n, ok=True) for n in range(plan.size)])
    for check in plan.checks:
        assert going_on_with(plan, store, wrong=False) == going_on("run"), f"{check.name} is not made"
        assert going_on_with(plan, store, wrong=True) == going_on("repair")
        store.record_checks([CheckRow(check.name, 0, plan.size, "0", [])])
    assert going_on_with(plan, store, wrong=False) is None
    store.record_checks([CheckRow(plan.checks[0].name, 0, plan.size - 1, "0", [])])
    assert going_on_with(plan, store, wrong=False) == going_on("run"), "it was not made for one person"


# --- what is gone is made again -----------------------------------------------------------------------------------


def test_a_result_that_is_gone_opens_its_step_again(tmp_path: Path, store: Store) -> None:
    gone = planned("second", "first", repeatable=True, lost=lambda context: lambda people: {1: "the file is gone"})
    context = RunContext(NOTHING, tmp_path, NOTHING, NOTHING, store, threading.Event())
    reopen_lost(a_plan(tmp_path, FIRST, gone), context)
    assert store.done("second", 0, 3) == {0}
    assert store.failures("second", 5) == [Outcome(1, ok=False, detail="the file is gone")]
    assert store.done("first", 0, 3) == {0, 1, 2}


def test_a_step_that_must_not_be_done_again_stays_done(tmp_path: Path, store: Store) -> None:
    paid = planned("second", "first", lost=lambda context: lambda people: {1: "the receipt is gone"})
    context = RunContext(NOTHING, tmp_path, NOTHING, NOTHING, store, threading.Event())
    reopen_lost(a_plan(tmp_path, FIRST, paid), context)
    assert store.done("second", 0, 3) == {0, 1}


# --- the report ---------------------------------------------------------------------------------------------------


class Reported:
    """A run whose report is kept, or cannot be written."""

    def __init__(self, tmp_path: Path, store: Store, *, fails: Exception | None = None) -> None:
        self.ends: list[RunEnd] = []
        self.events: list[Event] = []

        def keep(end: RunEnd) -> None:
            self.ends.append(end)
            if fails:
                raise fails

        request = RunRequest(tmp_path, lambda plan: tmp_path, NOTHING, lambda stop: nullcontext(), keep)
        plan = a_plan(tmp_path, FIRST, SECOND)
        stopping = threading.Event()
        deadlines = Deadlines(None, {}, stopping)
        self.run = Run(
            request, plan, None, tmp_path, NOTHING, self.events.append, stopping, deadlines, store, ExitStack()
        )


def ends_with(error: Exception) -> Any:
    def body(this: Run) -> ExitCode:
        raise error

    return body


def test_a_run_is_reported_with_its_code(tmp_path: Path, store: Store) -> None:
    reported = Reported(tmp_path, store)
    assert report(reported.run, lambda this: ExitCode.CHECKS_FAILED) is ExitCode.CHECKS_FAILED
    assert [end.code for end in reported.ends] == [ExitCode.CHECKS_FAILED]
    assert reported.events == [StageStarted("writing the reports"), ReportWritten(str(tmp_path))]


def test_what_ends_a_run_is_in_its_report_and_raised(tmp_path: Path, store: Store) -> None:
    reported, error = Reported(tmp_path, store), UnavailableError("the node is gone")
    with pytest.raises(UnavailableError, match="the node is gone"):
        report(reported.run, ends_with(error))
    assert [(end.code, end.error) for end in reported.ends] == [(ExitCode.UNAVAILABLE, error)]


@pytest.mark.parametrize("error", [None, UnavailableError("the node is gone")])
def test_nothing_is_reported_of_a_state_that_turns_out_to_be_damaged(
    tmp_path: Path, store: Store, error: Exception | None
) -> None:
    """A big one is inspected beside the run, which may come to its end first."""
    store.close()
    alter(tmp_path / STATE, "people", "id = 1", "gift", 9)
    store = Store(tmp_path / STATE, beside=InspectBeside(threading.Event(), small=0, patience=0.0))
    reported = Reported(tmp_path, store)
    with pytest.raises(StateRefusedError, match="people: id 1"):
        report(reported.run, ends_with(error) if error else lambda this: ExitCode.OK)
    assert (reported.ends, reported.events) == ([], [])
    store.close()


def test_a_run_that_is_to_end_at_once_says_that_its_state_was_not_inspected(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    monkeypatch.setattr(inspection, "COMMAND", (sys.executable, "-c", "input()"))  # it does not end by itself
    reported = Reported(tmp_path, NOTHING)
    stopping = reported.run.stopping
    reported.run.store = Store(tmp_path / STATE, beside=InspectBeside(stopping, small=0, patience=0.0))
    stopping.set()
    with pytest.raises(InterruptedRunError, match="as asked"):
        report(reported.run, ends_with(InterruptedRunError("as asked")))
    assert [end.code for end in reported.ends] == [ExitCode.INTERRUPTED]
    assert Noted("the run ended before all of its state was inspected; the next one does that") in reported.events
    reported.run.store.close()


def test_a_report_that_cannot_be_written_never_hides_the_error_that_ended_the_run(tmp_path: Path, store: Store) -> None:
    full = OSError(28, "No space left on device", "report.json")
    reported = Reported(tmp_path, store, fails=full)
    with pytest.raises(UnavailableError, match="the node is gone") as caught:
        report(reported.run, ends_with(UnavailableError("the node is gone")))
    assert caught.value.__notes__ == ["some files could not be written: report.json: no space left on device"]


def test_a_transaction_that_cannot_be_written_never_hides_it_either(tmp_path: Path, store: Store) -> None:
    (tmp_path / "tx").write_text("a file where a folder has to be")
    reported = Reported(tmp_path, store)
    with pytest.raises(UnavailableError, match="the node is gone") as caught:
        report(reported.run, ends_with(UnavailableError("the node is gone")))
    assert "some files could not be written" in caught.value.__notes__[0]
    assert [end.code for end in reported.ends] == [ExitCode.UNAVAILABLE], "and the report is written all the same"


@pytest.mark.parametrize("left", [0, 1, 40])
def test_a_file_of_a_transaction_that_a_power_cut_cut_off_is_whole_again(
    tmp_path: Path, store: Store, left: int
) -> None:
    rows = [transaction(nonce, who=nonce) for nonce in range(3)]
    store.add_transactions(rows)
    write_transactions(tmp_path, store)
    whole = [tmp_path / "tx" / row.hash.hex()[:2] / row.hash.hex() for row in rows]
    whole[1].write_text(whole[1].read_text()[:left])
    untouched = whole[0].stat().st_mtime_ns
    write_transactions(tmp_path, store)
    assert [path.read_text() for path in whole] == [row.raw.hex() for row in rows]
    assert whole[0].stat().st_mtime_ns == untouched


def test_transactions_are_in_folders_by_the_first_digits_of_their_hashes(tmp_path: Path, store: Store) -> None:
    """Millions of files in one folder are more than some file systems bear."""
    rows = [replace(transaction(nonce, who=nonce), hash=bytes([nonce % 2 * 16, nonce]) * 16) for nonce in range(4)]
    store.add_transactions(rows)
    write_transactions(tmp_path, store)
    for place in ("tx", "tx/00"):  # as killed runs leave them
        (tmp_path / place / ".x.abcdefgh.unfinished").touch()
    (tmp_path / "tx" / ".file.abcdefgh.unfinished").mkdir()
    (tmp_path / "tx" / ".file.abcdefgh.unfinished" / "file").touch()
    write_transactions(tmp_path, store)
    found = {path.relative_to(tmp_path / "tx").as_posix() for path in (tmp_path / "tx").rglob("*")}
    assert found == {"00", "10"} | {f"{row.hash.hex()[:2]}/{row.hash.hex()}" for row in rows}


def test_a_folder_of_transactions_that_leads_elsewhere_is_refused(tmp_path: Path, store: Store) -> None:
    store.add_transactions([transaction(0)])
    (tmp_path / "tx").mkdir()
    (tmp_path / "tx" / "00").symlink_to(tmp_path)
    with pytest.raises(OSError, match="symbolic link"):
        write_transactions(tmp_path, store)


def test_a_report_that_cannot_be_written_ends_a_run_that_went_well(tmp_path: Path, store: Store) -> None:
    full = OSError(28, "No space left on device", "report.json")
    with pytest.raises(OSError, match="No space"):
        report(Reported(tmp_path, store, fails=full).run, lambda this: ExitCode.OK)


def test_check_rows_of_the_run_are_reported(tmp_path: Path, store: Store) -> None:
    reported = Reported(tmp_path, store)
    row = CheckRow("gas", 0, 3, None, [])

    def body(this: Run) -> ExitCode:
        this.checks = [row]
        return ExitCode.OK

    report(reported.run, body)
    assert list(reported.ends[0].checks) == [row]
