"""The report as JSON: the content of ``report.json``."""

import json

from cicscenario.report.form import ReportForm
from cicscenario.report.recorded import Recorded
from cicscenario.report.summary import REPORT


def as_json(recorded: Recorded) -> str:
    return json.dumps(recorded.report, indent=2, ensure_ascii=False) + "\n"


FORM = ReportForm("json", REPORT, as_json)
