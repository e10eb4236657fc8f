"""``cicscenario status``: the progress of a run, from its state only."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cicscenario.api import workspace
from cicscenario.cli.commandline import choose
from cicscenario.engine.conclude import RunEnd
from cicscenario.engine.identity import recall_named
from cicscenario.engine.records import read_workers
from cicscenario.engine.verify import finished
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language import Scenario
from cicscenario.plan.compile import compile_plan
from cicscenario.printable import json_text, one_line, say
from cicscenario.report.recorded import Phase, Recorded
from cicscenario.report.rendered import recorded
from cicscenario.report.summary import summary
from cicscenario.report.took import KEYS, took
from cicscenario.report.verdict import verdict_line
from cicscenario.report.words import check_line
from cicscenario.serve.view import phase_of
from cicscenario.state.directory import existing_store
from cicscenario.state.rows import CheckRow
from cicscenario.state.store import STATE, Store
from cicscenario.vocabulary import load_scenarios
from cicscenario.wording import counted


def status(path: Path, overrides: Sequence[str], directory: Path | None, fmt: str) -> ExitCode:
    """Prints the counts of each step and the last result of each check; with a matrix, of each combination. Asks no service."""
    scenarios = load_scenarios(path, overrides)
    reports = []
    for scenario in scenarios:
        choose(scenario.combination.sets if scenario.combination else ())
        reports.append(_report(scenario, directory, show=fmt != "json"))
    if fmt == "json":
        whole = {"scenario": scenarios[0].name, "runs": reports}
        say(json_text(reports[0] if len(reports) == 1 else whole, indent=2))
    return ExitCode.OK


def _report(scenario: Scenario, directory: Path | None, *, show: bool) -> dict[str, Any]:
    """What is known about one run, as data; shown as text, too, if ``show``."""
    place = workspace.run_directory(scenario, directory)
    last = _last(place)
    with _state(place) as store:
        recall_named(store.meta())
        compiled = compile_plan(scenario, store)
        begun, held = bool(store.meta()), store.checks()
        rows = [held[check.name] for check in compiled.checks if check.name in held]
        report = summary(RunEnd(compiled, store, place, ExitCode.OK, checks=rows))
    report.pop("exit_code")
    if last:
        report |= {key: last.report[key] for key in KEYS if key in last.report}
    if show:
        _show(scenario, compiled.size, place, last, rows, report if begun else None)
    return report


def _show(
    scenario: Scenario,
    size: int,
    place: Path,
    last: Recorded | None,
    rows: list[CheckRow],
    report: dict[str, Any] | None,
) -> None:
    """The same as text; ``report`` is None when nothing has been run."""
    if report is None:
        say(f"{scenario.title}: nothing has been run in {one_line(str(place))}")
        return
    say(f"{scenario.title}: {counted(size, 'person')} in {one_line(str(place))}")
    phase = phase_of(place)
    if phase is not Phase.ENDED:
        say(f"  {Recorded({}, None, phase=phase).verdict}")
    elif last:
        say(_ended(last))
    for step in report["steps"]:
        say(f"  {step['name']:<22}{step['ok']:>9} ok {step['failed']:>7} failed {step['pending']:>9} pending")
    for line in _workers(place):
        say(line)
    for row in rows:
        say("  " + check_line(finished(row)))
    if "next" in report:
        say(f"next: {report['next']}")


def _workers(place: Path) -> Iterator[str]:
    """A line for each worker that the run has seen last."""
    for one in (read_workers(place) or {"workers": []})["workers"]:
        parts = [
            f"{int(done):,} {kind} done, {float(one['rates'].get(kind, 0)):g}/s"
            for kind, done in sorted(one["done"].items())
        ]
        if not one["usable"]:
            parts = ["takes no tasks of this run: another version or secret"]
        yield f"  worker {one_line(str(one['name']))}: {one_line(', '.join(parts) or 'nothing done yet')}"


def _last(place: Path) -> Recorded | None:
    """What the last run or verification has recorded; None if there is none, or if it cannot be read."""
    try:
        return recorded(place)
    except (OSError, InvalidError):
        return None


def _ended(last: Recorded) -> str:
    """The verdict, and when that was."""
    began, written = last.report.get("began"), last.report.get("written")
    when = f"{last.report.get('command', 'run')} began {began}" if began else ""
    when += f"{', ' if when else ''}ended {written}" if written else ""
    when += f", took {time}" if (time := took(last.report)) else ""
    return f"  {verdict_line(last)} ({when})" if when else f"  {verdict_line(last)}"


@contextmanager
def _state(place: Path) -> Iterator[Store]:
    """The state of the run, or an empty temporary one if there is none, so that the JSON output always has one shape."""
    with ExitStack() as stack:
        store = existing_store(place)
        if store is None:
            store = Store(Path(stack.enter_context(TemporaryDirectory(prefix="cicscenario-status-"))) / STATE)
        stack.callback(store.close)
        yield store
