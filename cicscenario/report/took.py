"""When the last command about a run began, and how long it took: in the same words wherever it is told.

It is the whole time of the command, from its beginning until its report is written. The timeline is another measure: it has
only the steps and checks, of all commands so far.
"""

from collections.abc import Mapping
from typing import Any

from cicscenario.report.words import duration

KEYS = ("command", "began", "seconds", "services_seconds")  #: of a report, about this
_LEAST = 1.0  # seconds for the services that are named


def took(report: Mapping[str, Any]) -> str | None:
    """Such as ``1 min 9 s, of which services 50 s``; None for a report of a version that did not record it."""
    return in_words(report["seconds"], report.get("services_seconds", 0.0)) if "seconds" in report else None


def last_command(report: Mapping[str, Any]) -> str | None:
    """Such as ``verify began 2026-01-02T03:04:05+00:00, took 3.0 s``; None for a report of a version without it."""
    if "began" not in report or (time := took(report)) is None:
        return None
    return f"{report.get('command', 'run')} began {report['began']}, took {time}"


def in_words(seconds: float, services: float) -> str:
    """The time of a command, and the part of it for opening the services if that is worth a word."""
    part = f", of which services {duration(services)}" if services >= _LEAST else ""
    return f"{duration(seconds)}{part}"
