"""Writes the reports of a run from ``report.json`` and ``progress.json`` in its directory."""

from pathlib import Path
from typing import Any

from cicscenario.engine.events import Event, ReportWritten
from cicscenario.engine.records import read_progress, read_record
from cicscenario.errors import InvalidError
from cicscenario.files import write_whole
from cicscenario.invocation import going_on
from cicscenario.report import all_forms
from cicscenario.report.recorded import Recorded
from cicscenario.report.roster import read_roster
from cicscenario.report.summary import REPORT


def read_report(directory: Path) -> dict[str, Any]:
    """The content of ``report.json``. Raises FileNotFoundError, and InvalidError when it does not match its schema."""
    return read_record(directory / REPORT, "report-v1", f"{going_on('verify')} writes a new report")


def recorded(directory: Path) -> Recorded:
    """Reads the record of a run. Raises InvalidError when there is no report, or when it does not match its schema."""
    try:
        report = read_report(directory)
    except FileNotFoundError:
        raise InvalidError(
            f"there is no report in {directory}", hint=f"{going_on('run')} writes one at its end, and so does verify"
        ) from None
    return Recorded(report, read_progress(directory), read_roster(directory))


def write_reports(directory: Path) -> list[Path]:
    """Writes every form except ``report.json``, which they are made from. Returns their paths."""
    held = recorded(directory)
    paths = []
    for form in all_forms():
        if form.file != REPORT:
            write_whole(directory / form.file, form.render(held), mode=form.mode)
            paths.append(directory / form.file)
    return paths


def write_when_over(event: Event) -> None:
    """A listener that writes the reports at the end of a run."""
    if isinstance(event, ReportWritten):
        write_reports(Path(event.directory))
