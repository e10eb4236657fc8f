"""The report as JSON: the content of ``report.json``."""

from cicscenario.printable import json_text
from cicscenario.report.form import ReportForm
from cicscenario.report.recorded import Recorded
from cicscenario.report.summary import REPORT


def as_document(recorded: Recorded) -> str:
    """The report as text."""
    return json_text(recorded.report, indent=2) + "\n"


FORM = ReportForm("json", REPORT, as_document)
