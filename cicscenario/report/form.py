"""What a form of the report is."""

from collections.abc import Callable
from dataclasses import dataclass

from cicscenario.report.recorded import Recorded


@dataclass(frozen=True)
class ReportForm:
    """One form of the report: its name on the command line, its file in the run directory, and what makes its text."""

    name: str
    file: str
    render: Callable[[Recorded], str]
