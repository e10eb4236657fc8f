"""Shows the progress of a run: live progress bars on a terminal, plain lines otherwise."""

import threading
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from cicscenario.engine.events import (
    CheckFinished,
    Event,
    Listener,
    Noted,
    ProblemsFound,
    ReportWritten,
    RunStarted,
    StepProgressed,
)
from cicscenario.engine.problems import Problems
from cicscenario.printable import one_line, printable, say
from cicscenario.report import problems

_PLAIN_EVERY = 10.0  # seconds between two lines of one step


def check_line(event: CheckFinished) -> str:
    """The line of a check: its name, the number of errors, the tolerance, what was not asked again, and the first failure."""
    allowed = f" (allowed: {event.allowed})" if event.allowed else ""
    allowed += f" ({event.read_back} read back after writing in this run)" if event.read_back else ""
    first = f"; first: {one_line(event.first)}" if event.first else ""
    return f"{event.name}: {event.errors} errors of {event.total}{allowed}{first}"


def _step_line(event: StepProgressed) -> str:
    failed = f", {event.failed} failed" if event.failed else ""
    rate = f", {event.ok / event.seconds:.0f}/s" if event.seconds else ""
    return f"{event.step}: {event.ok} of {event.total}{failed}{rate}"


class PlainConsole:
    """Prints a line when a step ends, and every ten seconds while it runs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown: dict[str, float] = {}
        self._mutex = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._mutex:
            line = self._line(event)
            if line:
                say(line, stream=self._stream, flush=True)

    def _line(self, event: Event) -> str | None:
        match event:
            case RunStarted():
                return started_line(event)
            case StepProgressed():
                now = time.monotonic()
                ended = event.ok + event.failed >= event.total
                if not ended and now - self._shown.setdefault(event.step, now) < _PLAIN_EVERY:
                    return None
                self._shown[event.step] = now
                return _step_line(event)
            case CheckFinished():
                return check_line(event)
            case Noted():
                return event.text
            case ProblemsFound():
                return problem_lines(event)
            case ReportWritten():
                return report_line(event)


def started_line(event: RunStarted) -> str:
    """The line for the start of a run; for a resumed run, with the number of people who are done."""
    behind = min(event.steps.values(), default=0)
    resumes = f", {behind} of {event.population} already done in every step" if any(event.steps.values()) else ""
    return f"{event.scenario}: {event.population} people in {one_line(event.directory)}{resumes}"


def problem_lines(event: ProblemsFound) -> str:
    """What went wrong, for whom, and where all these people are."""
    return "\n".join(problems.lines(Problems(event.people, event.problems), event.file))


def report_line(event: ReportWritten) -> str:
    """The line with the path of the report."""
    return f"report: {Path(event.directory) / 'report.html'}"


class LiveConsole:
    """Shows one progress bar per step, with its rate and the remaining time."""

    def __init__(self, stream: TextIO) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<13}"),
            BarColumn(),
            TextColumn("{task.completed:>7.0f} of {task.total:.0f}{task.fields[failed]}"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(file=stream),
        )
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._progress.console.print(printable(started_line(event)), highlight=False, markup=False)
                for step, done in event.steps.items():
                    bar = self._progress.add_task(step, total=event.population, completed=done, failed="", rate="")
                    self._bars[step] = bar
            case StepProgressed():
                self._progress.update(
                    self._bars[event.step],
                    completed=event.ok + event.failed,
                    failed=f", {event.failed} failed" if event.failed else "",
                    rate=f"{event.ok / event.seconds:.0f}/s" if event.seconds else "",
                )
            case CheckFinished():
                self._progress.console.print(printable(check_line(event)), highlight=False, markup=False)
            case Noted():
                self._progress.console.print(printable(event.text), highlight=False, markup=False)
            case ProblemsFound():
                self._progress.console.print(
                    printable(problem_lines(event)), highlight=False, markup=False, soft_wrap=True
                )
            case ReportWritten():
                self._progress.console.print(
                    printable(report_line(event)), highlight=False, markup=False, soft_wrap=True
                )


def console(stream: TextIO) -> AbstractContextManager[Listener]:
    """The live console if ``stream`` is a terminal, else the plain one."""
    return LiveConsole(stream) if stream.isatty() else nullcontext(PlainConsole(stream))
