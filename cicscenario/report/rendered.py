"""Writes the reports of a run from ``report.json`` and ``progress.json`` in its directory."""

from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from cicscenario.engine.events import Event, ReportWritten
from cicscenario.errors import InvalidError, reason_of
from cicscenario.files import FOR_ALL, write_whole
from cicscenario.inputs import LARGE, read_input
from cicscenario.invocation import going_on
from cicscenario.jsontext import JsonTextError, parse_json
from cicscenario.report import all_forms
from cicscenario.report.recorded import Recorded
from cicscenario.report.summary import PROGRESS, REPORT
from cicscenario.resources import load_schema

_LARGEST = 2**53  # of the numbers in a report; beyond it, floats skip integers
_AS_WRITTEN = ("document", "environment")  # the user's own values, which are only shown


def recorded(directory: Path) -> Recorded:
    """Reads the record of a run. Raises InvalidError when there is no report, or when it does not match its schema."""
    try:
        report = _read(directory / REPORT, "report-v1")
    except FileNotFoundError:
        raise InvalidError(
            f"there is no report in {directory}", hint=f"{going_on('run')} writes one at its end, and so does verify"
        ) from None
    try:
        return Recorded(report, _read(directory / PROGRESS, "progress-v1"))
    except FileNotFoundError:  # only `verify` was called, or the directory is of an older version
        return Recorded(report, None)


def _read(path: Path, schema: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = parse_json(read_input(path, LARGE))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _damaged(path, f"it cannot be read: {reason_of(error)}") from None
    except JsonTextError as error:
        raise _damaged(path, str(error)) from None
    for wrong in Draft202012Validator(load_schema(schema)).iter_errors(document):
        where = ".".join(map(str, wrong.absolute_path))
        raise _damaged(path, f"{where}: {wrong.message:.200}" if where else f"{wrong.message:.200}")
    if place := _too_large({key: value for key, value in document.items() if key not in _AS_WRITTEN}):
        raise _damaged(path, f"{place}: the number is too large")
    return document


def _too_large(value: Any, where: str = "") -> str | None:
    """The place of a number with which nothing can be counted or drawn; None if there is none."""
    if isinstance(value, int | float):
        return where if abs(value) > _LARGEST else None
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = (_too_large(item, f"{where}.{key}" if where else str(key)) for key, item in inner)
    return next((place for place in found if place), None)


def _damaged(path: Path, reason: str) -> InvalidError:
    hint = (
        f"{going_on('verify')} writes a new report" if path.name == REPORT else "remove it: the next run writes another"
    )
    return InvalidError(f"{path} is damaged: {reason}", hint=hint)


def write_reports(directory: Path) -> list[Path]:
    """Writes every form except ``report.json``, which they are made from. Returns their paths."""
    held = recorded(directory)
    paths = []
    for form in all_forms():
        if form.file != REPORT:
            write_whole(directory / form.file, form.render(held), mode=FOR_ALL)
            paths.append(directory / form.file)
    return paths


def write_when_over(event: Event) -> None:
    """A listener that writes the reports at the end of a run."""
    if isinstance(event, ReportWritten):
        write_reports(Path(event.directory))
