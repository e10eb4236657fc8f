"""``cicscenario status``: the progress of a run, from its state only."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from cicscenario.cli import workspace
from cicscenario.engine.conclude import RunEnd
from cicscenario.engine.verify import finished
from cicscenario.errors import ExitCode
from cicscenario.plan.compile import compile_plan
from cicscenario.printable import json_text, one_line, say
from cicscenario.report.console import check_line
from cicscenario.report.summary import summary
from cicscenario.state.directory import existing_store
from cicscenario.state.store import STATE, Store
from cicscenario.vocabulary import load_scenario


def status(path: Path, overrides: Sequence[str], directory: Path | None, fmt: str) -> ExitCode:
    """Prints the counts of each step and the last result of each check. Asks no service."""
    scenario = load_scenario(path, overrides)
    place = workspace.run_directory(scenario, directory)
    with _state(place) as store:
        compiled = compile_plan(scenario, store)
        begun, held = bool(store.meta()), store.checks()
        rows = [held[check.name] for check in compiled.checks if check.name in held]
        report = summary(RunEnd(compiled, store, place, ExitCode.OK, checks=rows))
    if fmt == "json":
        report.pop("exit_code")
        say(json_text(report, indent=2))
        return ExitCode.OK
    if not begun:
        say(f"{scenario.name}: nothing has been run in {one_line(str(place))}")
        return ExitCode.OK
    say(f"{scenario.name}: {compiled.size} people in {one_line(str(place))}")
    for step in report["steps"]:
        say(f"  {step['name']:<22}{step['ok']:>9} ok {step['failed']:>7} failed {step['pending']:>9} pending")
    for row in rows:
        say("  " + check_line(finished(row)))
    if "next" in report:
        say(f"next: {report['next']}")
    return ExitCode.OK


@contextmanager
def _state(place: Path) -> Iterator[Store]:
    """The state of the run, or an empty temporary one if there is none, so that the JSON output always has one shape."""
    with ExitStack() as stack:
        store = existing_store(place)
        if store is None:
            store = Store(Path(stack.enter_context(TemporaryDirectory(prefix="cicscenario-status-"))) / STATE)
        stack.callback(store.close)
        yield store
