"""The list of report forms: one file and one line here for each. Other packages add theirs by entry point."""

from functools import cache

from cicscenario.capabilities.registry import registered
from cicscenario.report import html, json_form, junit, markdown, openmetrics
from cicscenario.report.form import ReportForm

BUILT_IN = (html.FORM, junit.FORM, markdown.FORM, openmetrics.FORM, json_form.FORM)


@cache
def all_forms() -> tuple[ReportForm, ...]:
    """Every known form. Raises InvalidError for an invalid one of another package."""
    return registered("reports", BUILT_IN, ReportForm, lambda form: form.name)
