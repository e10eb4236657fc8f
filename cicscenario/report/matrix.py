"""The summary of the runs of a matrix: as lines, as data, as Markdown, and as JUnit XML."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cicscenario import __version__
from cicscenario.engine.events import CommandEnded, MatrixEnded
from cicscenario.errors import ExitCode, InvalidError, worst
from cicscenario.files import FOR_ALL, from_here, make_folder, write_whole
from cicscenario.printable import json_text, one_line
from cicscenario.report.columns import columns
from cicscenario.report.junit import joined, not_reported, suites_of, xml_text
from cicscenario.report.markdown import escaped, table
from cicscenario.report.recorded import Recorded
from cicscenario.report.rendered import recorded
from cicscenario.report.words import duration
from cicscenario.wording import counted

SUMMARY, MARKDOWN, JUNIT = "summary.json", "report.md", "junit.xml"
_HEAD = ("combination", "verdict", "people", "checks", "time", "report")
_NUMBERS = (2, 3, 4)
_NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class CombinationEnd:
    """What came of one combination; ``ended`` is None when it was not run. ``next`` is the whole command that goes on."""

    combination: str
    directory: Path
    ended: CommandEnded | None
    next: str | None = None

    @property
    def good(self) -> bool:
        return self.ended is not None and self.ended.good

    @property
    def verdict(self) -> str:
        """The result in a few words."""
        if self.ended is None:
            return "Not run"
        if self.ended.good:
            return "Everybody arrived"
        code = ExitCode(self.ended.exit_code)
        if code is ExitCode.OK:
            return "Not finished"
        said = Recorded({"exit_code": int(code)}, None).stopped
        return (
            f"{said} ({self.ended.astray:,} did not)" if code is ExitCode.CHECKS_FAILED and self.ended.astray else said
        )

    def cells(self) -> tuple[str, ...]:
        """The row of a table."""
        end = self.ended
        return (
            one_line(self.combination),
            self.verdict,
            _NONE if end is None or end.population is None else f"{end.population:,}",
            _NONE if end is None or end.population is None else str(end.checks),
            _NONE if end is None else duration(end.seconds),
            _NONE if end is None or end.report is None else one_line(from_here(Path(end.report))),
        )

    def document(self) -> dict[str, Any]:
        end = self.ended
        return {
            "combination": self.combination,
            "directory": str(self.directory),
            "verdict": self.verdict,
            "good": self.good,
            "exit_code": end.exit_code if end else None,
            "population": end.population if end else None,
            "astray": end.astray if end else None,
            "checks": end.checks if end else 0,
            "seconds": end.seconds if end else 0.0,
            "report": end.report if end else None,
            "next": self.next,
        }


@dataclass(frozen=True)
class MatrixSummary:
    """The runs of a matrix in order; ``folder`` is where the summary is written. ``seconds`` is the time of the command.

    ``command`` is the whole command that goes on with all of them.
    """

    scenario: str
    file: Path
    folder: Path
    runs: tuple[CombinationEnd, ...]
    seconds: float
    command: str
    late: bool = False  #: the deadline of the command passed before all of them were begun

    @property
    def code(self) -> ExitCode:
        """The worst of the exit codes; see ``errors.worst``."""
        codes = [ExitCode(run.ended.exit_code) for run in self.runs if run.ended]
        return worst([*codes, ExitCode.UNAVAILABLE] if self.late else codes)

    @property
    def good(self) -> int:
        """The number of runs in which everybody arrived."""
        return sum(run.good for run in self.runs)

    @property
    def verdict(self) -> str:
        return f"Everybody arrived in {self.good} of {counted(len(self.runs), 'run')}"

    def lines(self, width: int | None = None) -> Iterator[str]:
        """The table, and below it the commands that go on; ``width`` is that of the terminal.

        The paths of the reports are left out where they would not fit: each was told at the end of its run.
        """
        rows = [_HEAD, *(run.cells() for run in self.runs)]
        found = list(columns(rows, _NUMBERS))
        if width is not None and max(map(len, found)) > width:
            found = list(columns([row[:-1] for row in rows], _NUMBERS))
        yield from found
        for name, command in self.going_on():
            yield f"{one_line(name)}: {one_line(command)}"

    def going_on(self) -> Iterator[tuple[str, str]]:
        """The command that goes on with each run that did not end well, and that for all, when some were not run."""
        for run in self.runs:
            if run.next and run.ended and not run.good:
                yield f"to go on with {run.combination}", run.next
        if any(run.ended is None for run in self.runs):
            yield "to go on with all", self.command

    def event(self, summary: Path | None) -> MatrixEnded:
        """The last event of the command; ``summary`` is the file with the data, None if it could not be written."""
        where = f". Summary: {one_line(str(summary.with_name(MARKDOWN)))}" if summary else ""
        return MatrixEnded(
            verdict=f"{self.verdict}, {duration(self.seconds)}{where}",
            good=self.good == len(self.runs),
            exit_code=int(self.code),
            runs=len(self.runs),
            good_runs=self.good,
            seconds=round(self.seconds, 3),
            summary=str(summary) if summary else None,
        )

    def document(self) -> dict[str, Any]:
        """The content of ``summary.json``."""
        return {
            "scenario": self.scenario,
            "file": from_here(self.file),
            "exit_code": int(self.code),
            "verdict": self.verdict,
            "good": self.good == len(self.runs),
            "seconds": round(self.seconds, 3),
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "version": __version__,
            "runs": [run.document() for run in self.runs],
        }

    def markdown(self) -> str:
        mark = "✅" if self.good == len(self.runs) else "❌"
        rows = [[*run.cells()[:-1], _where(run)] for run in self.runs]
        parts = [
            f"## {mark} {escaped(self.scenario)}: {self.verdict}",
            table(f"| {' | '.join(_HEAD)} |", ":--|:--|--:|--:|--:|:--", rows),
        ]
        parts += [
            f"{escaped(name[0].upper() + name[1:])}:\n\n    {one_line(command)}" for name, command in self.going_on()
        ]
        return "\n\n".join(parts) + "\n"

    def junit(self) -> str:
        """The test cases of all runs; a run without a report is a case of its own."""
        return xml_text(joined(self.scenario, (_suites(self.scenario, run) for run in self.runs)))


def write_summary(summary: MatrixSummary) -> Path:
    """Writes ``summary.json``, ``report.md`` and ``junit.xml`` into the folder of the matrix; returns the path of the first."""
    make_folder(summary.folder)
    write_whole(summary.folder / MARKDOWN, summary.markdown(), mode=FOR_ALL)
    write_whole(summary.folder / JUNIT, summary.junit(), mode=FOR_ALL)
    write_whole(summary.folder / SUMMARY, json_text(summary.document(), indent=2) + "\n", mode=FOR_ALL)
    return summary.folder / SUMMARY


def _where(run: CombinationEnd) -> str:
    """The path of the report from the folder of the summary."""
    return f"{run.directory.name}/report.html" if run.ended and run.ended.report else _NONE


def _suites(scenario: str, run: CombinationEnd) -> Any:
    if run.ended and run.ended.report:
        try:
            return suites_of(recorded(run.directory))
        except (OSError, InvalidError):
            pass  # it is told by whoever wrote it; the verdict is known
    return not_reported(f"{scenario}/{run.combination}", run.verdict, skipped=run.ended is None)
