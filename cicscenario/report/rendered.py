"""The reports of a run, written from its directory alone: ``report.json`` and ``progress.json`` are all they need."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from cicscenario.engine.events import Event, ReportWritten
from cicscenario.errors import InvalidError
from cicscenario.files import write_whole
from cicscenario.report.html import as_html
from cicscenario.report.junit import as_junit
from cicscenario.report.markdown import as_markdown
from cicscenario.report.openmetrics import as_openmetrics
from cicscenario.report.progress import PROGRESS
from cicscenario.report.recorded import Recorded
from cicscenario.report.summary import REPORT
from cicscenario.resources import load_schema


@dataclass(frozen=True)
class Form:
    """A form of the report, and the file in the run directory that it is in."""

    file: str
    render: Callable[[Recorded], str]


#: Every form by its name on the command line.
FORMS = {
    "html": Form("report.html", as_html),
    "junit": Form("junit.xml", as_junit),
    "markdown": Form("report.md", as_markdown),
    "openmetrics": Form("metrics.txt", as_openmetrics),
    "json": Form(REPORT, lambda recorded: json.dumps(recorded.report, indent=2, ensure_ascii=False) + "\n"),
}


def recorded(directory: Path) -> Recorded:
    """What a run directory holds; raises InvalidError when it has no report, or one that is not as its schema says."""
    try:
        report = _read(directory / REPORT, "report-v1")
    except FileNotFoundError:
        raise InvalidError(
            f"there is no report in {directory}", hint="`cicscenario run` and `verify` write one at their end"
        ) from None
    try:
        return Recorded(report, _read(directory / PROGRESS, "progress-v1"))
    except FileNotFoundError:  # nothing but `verify` was ever called, or the folder is of an older version
        return Recorded(report, None)


def _read(path: Path, schema: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _damaged(path, f"it cannot be read: {(error.strerror or '').lower()}") from None
    except (ValueError, RecursionError):
        raise _damaged(path, "it is not JSON") from None
    for wrong in Draft202012Validator(load_schema(schema)).iter_errors(document):
        where = ".".join(map(str, wrong.absolute_path))
        raise _damaged(path, f"{where}: {wrong.message:.200}" if where else f"{wrong.message:.200}")
    return document


def _damaged(path: Path, reason: str) -> InvalidError:
    hint = (
        "`cicscenario verify` writes a new report" if path.name == REPORT else "remove it: the next run writes another"
    )
    return InvalidError(f"{path} is damaged: {reason}", hint=hint)


def write_reports(directory: Path) -> list[Path]:
    """Writes every form but ``report.json``, which they are made from; returns their paths."""
    held = recorded(directory)
    paths = []
    for form in FORMS.values():
        if form.file != REPORT:
            write_whole(directory / form.file, form.render(held))
            paths.append(directory / form.file)
    return paths


def write_when_over(event: Event) -> None:
    """A listener: writes the reports at the end of a run."""
    if isinstance(event, ReportWritten):
        write_reports(Path(event.directory))
