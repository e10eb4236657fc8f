"""Runs or verifies each combination of a matrix, one after the other, and sums them up."""

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cicscenario.api import workspace
from cicscenario.api.runplace import RunPlace
from cicscenario.cli.boundary import tell
from cicscenario.cli.commandline import choose
from cicscenario.cli.ending import verdict_of
from cicscenario.engine.deadline import Deadline, late_before
from cicscenario.engine.events import CombinationStarted, CommandEnded, Listener
from cicscenario.engine.stopwatch import Stopwatch
from cicscenario.errors import ExitCode, InvalidError, as_told, worst
from cicscenario.invocation import going_on
from cicscenario.language import Scenario
from cicscenario.printable import one_line, say
from cicscenario.report.colour import coloured, is_terminal
from cicscenario.report.jsonl import JsonLines
from cicscenario.report.listeners import View
from cicscenario.report.matrix import CombinationEnd, MatrixSummary, write_summary
from cicscenario.report.rendered import read_report
from cicscenario.state.rows import CheckRow
from cicscenario.vocabulary import load_scenarios

#: After these the next combination is not begun: the user wants to stop, or has to decide something about the chain first.
_ENDS_ALL = (ExitCode.INTERRUPTED, ExitCode.RECONCILE)
_RESUMABLE = (ExitCode.UNAVAILABLE, ExitCode.INTERRUPTED)

#: Runs one combination, whose values for --set it is given, and tells its verdict.
One = Callable[[tuple[str, ...]], CommandEnded]
#: Runs or verifies one run.
OnPlace = Callable[[RunPlace, Listener], tuple[ExitCode, list[CheckRow]]]


@dataclass(frozen=True)
class MatrixCommand:
    """What the command line says about all combinations."""

    place: RunPlace  #: without the values that choose a combination
    view: View
    fail_fast: bool = False
    name: str = "run"  #: of the command
    again: Callable[[], str] = lambda: going_on("verify")  #: the command that verifies again
    deadline: Deadline | None = None  #: of the whole command; when it has passed, no other combination is begun

    @property
    def is_late(self) -> bool:
        return self.deadline is not None and self.deadline.left <= 0


def several(path: Path, overrides: Sequence[str]) -> list[Scenario]:
    """The combinations of the scenario's matrix if there are several, else nothing: also when the file has errors.

    Those are told by the command, as with any other scenario.
    """
    try:
        found = load_scenarios(path, overrides)
    except InvalidError:
        return []
    return found if len(found) > 1 else []


def go_through(command: MatrixCommand, scenarios: Sequence[Scenario], body: OnPlace) -> ExitCode:
    """Runs or verifies each combination, with the listeners of a command; see ``each``."""

    def one(values: tuple[str, ...]) -> CommandEnded:
        place = command.place.with_values(values)
        return verdict_of(lambda listener: body(place, listener), command.again(), command.view)

    return each(command, scenarios, one)


def each(command: MatrixCommand, scenarios: Sequence[Scenario], one: One) -> ExitCode:
    """Calls ``one`` for each combination. Returns the worst exit code; see ``errors.worst``.

    The summary is written after each, so that there is one when the process is killed. Raises InvalidError when --dir names
    the directory of one of them.
    """
    _require_folder_of_all(command.place.directory, scenarios)
    stopwatch, ends, unwritten = Stopwatch(), _not_run(command, scenarios), ExitCode.OK
    written: Path | None = None
    if command.name == "run" and command.place.directory:
        workspace.make_folder_of_all(command.place.directory)
    for number, scenario in enumerate(scenarios):
        assert scenario.combination
        choose(scenario.combination.sets)
        _tell_start(command.view, scenario, number + 1, ends)
        end = one(scenario.combination.sets)
        ends[number] = _ended(ends[number], end)
        late = number + 1 < len(scenarios) and command.is_late
        summary = _summary(command, scenarios, ends, stopwatch, late=late)
        code = ExitCode(end.exit_code)
        try:
            written = write_summary(summary)
        except OSError as error:
            written, unwritten = None, tell(as_told(error) or error)
        if code in _ENDS_ALL or (command.fail_fast and code is not ExitCode.OK):
            break
        if late and command.deadline:
            tell(late_before(command.deadline, f"combination {number + 2} of {len(scenarios)}"))
            break
    _tell_end(command.view, summary, written)
    return worst((summary.code, unwritten))


def _require_folder_of_all(directory: Path | None, scenarios: Sequence[Scenario]) -> None:
    if directory and any(one.combination and one.combination.folder == directory.name for one in scenarios):
        raise InvalidError(
            f"--dir {directory} is the directory of one combination, and this is about {len(scenarios)}",
            hint="name the folder that it is in, or choose that combination with --set",
        )


def _not_run(command: MatrixCommand, scenarios: Sequence[Scenario]) -> list[CombinationEnd]:
    ends = []
    for scenario in scenarios:
        assert scenario.combination
        choose(scenario.combination.sets)
        place = workspace.run_directory(scenario, command.place.directory)
        ends.append(CombinationEnd(scenario.combination.label, place, None, going_on(command.name)))
    return ends


def _ended(begun: CombinationEnd, end: CommandEnded) -> CombinationEnd:
    """What came of it, with the command that goes on: what the report says, or else that which resumes."""
    following = None
    if end.report:
        try:
            following = read_report(begun.directory).get("next")
        except (OSError, InvalidError):
            following = begun.next
    elif ExitCode(end.exit_code) in _RESUMABLE:
        following = begun.next
    return CombinationEnd(begun.combination, begun.directory, end, following)


def _summary(
    command: MatrixCommand,
    scenarios: Sequence[Scenario],
    ends: Sequence[CombinationEnd],
    stopwatch: Stopwatch,
    *,
    late: bool,
) -> MatrixSummary:
    choose(())
    folder, whole = ends[0].directory.parent, going_on(command.name)
    return MatrixSummary(scenarios[0].name, command.place.scenario, folder, tuple(ends), stopwatch.seconds, whole, late)


def _tell_start(view: View, scenario: Scenario, number: int, ends: Sequence[CombinationEnd]) -> None:
    end = ends[number - 1]
    if view.as_json:
        event = CombinationStarted(scenario.name, end.combination, number, len(ends), str(end.directory))
        JsonLines(sys.stdout)(event)
        return
    before = "" if number == 1 else "\n"
    say(f"{before}[{number} of {len(ends)}] {one_line(scenario.title)}", flush=True)


def _tell_end(view: View, summary: MatrixSummary, written: Path | None) -> None:
    event = summary.event(written)
    if view.as_json:
        JsonLines(sys.stdout)(event)
        return
    width = shutil.get_terminal_size().columns if is_terminal(sys.stdout) else None
    say("\n" + "\n".join(summary.lines(width)))
    tone = ("good" if event.good else "bad") if coloured(sys.stdout, view.colour) else None
    say(event.verdict, flush=True, tone=tone)
