"""Reports of runs: one file for each form, and one line here.

Those of other packages come by the entry points ``cicscenario.reports``.
"""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cicscenario.report.form import ReportForm


@cache
def all_forms() -> "tuple[ReportForm, ...]":
    """Every known form. Raises InvalidError for an invalid one of another package."""
    # Loaded when they are asked for: a command that only says how far it is needs none of them.
    from cicscenario.capabilities.registry import registered
    from cicscenario.report import html, json_form, junit, markdown, openmetrics
    from cicscenario.report.form import ReportForm

    built_in = (html.FORM, junit.FORM, markdown.FORM, openmetrics.FORM, json_form.FORM)
    return registered("reports", built_in, ReportForm, lambda form: form.name)
