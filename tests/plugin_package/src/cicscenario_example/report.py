"""A form of the report: steps as lines of comma-separated values."""

from cicscenario.report.form import ReportForm
from cicscenario.report.recorded import Recorded


def as_csv(recorded: Recorded) -> str:
    """One line a step: name, people done, people failed."""
    return "".join(f"{step['name']},{step['ok']},{step['failed']}\n" for step in recorded.report["steps"])


FORM = ReportForm("csv", "steps.csv", as_csv)
