"""The declaration of a report form."""

from collections.abc import Callable
from dataclasses import dataclass

from cicscenario.files import FOR_ALL
from cicscenario.report.recorded import Recorded


@dataclass(frozen=True)
class ReportForm:
    """A report form: its name on the command line, its file in the run directory, and the function that makes its text.

    ``mode`` are the permissions of the file: a form that names people is for its owner.
    """

    name: str
    file: str
    render: Callable[[Recorded], str]
    mode: int = FOR_ALL
