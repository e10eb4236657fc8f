"""Reports of runs: one file for each form, and one line here.

Those of other packages come by the entry points ``cicscenario.reports``.
"""

from functools import cache

from cicscenario.capabilities.registry import registered
from cicscenario.report import html, json_form, junit, markdown, openmetrics
from cicscenario.report.form import ReportForm

BUILT_IN = (html.FORM, junit.FORM, markdown.FORM, openmetrics.FORM, json_form.FORM)


@cache
def all_forms() -> tuple[ReportForm, ...]:
    """Every known form. Raises InvalidError for an invalid one of another package."""
    return registered("reports", BUILT_IN, ReportForm, lambda form: form.name)
