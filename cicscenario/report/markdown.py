"""The report as Markdown, for a job summary or a comment in a merge request."""

import re
from collections.abc import Iterator
from typing import Any

from cicscenario.engine.failing import FAILING
from cicscenario.engine.problems import Problem
from cicscenario.printable import one_line, printable
from cicscenario.report.flowpicture import MEDIAN, MOST, NINE_OF_TEN, picture
from cicscenario.report.form import ReportForm
from cicscenario.report.problems import named, one_of_them, where, who
from cicscenario.report.recorded import Recorded, check_notes, milliseconds
from cicscenario.report.took import last_command

_PROBLEMS = 20  #: problems that are shown
_QUANTILES = (MEDIAN, NINE_OF_TEN, MOST)  #: that are shown


def as_markdown(recorded: Recorded) -> str:
    """The report as Markdown: verdict, steps, checks, what went wrong, and transactions."""
    report = recorded.report
    parts = [
        f"## {'✅' if recorded.good else '❌'} {escaped(report['scenario'])}: {recorded.verdict}",
        escaped(recorded.detail) + ".",
    ]
    parts += _circumstances(report)
    if "error" in report:
        parts.append("\n".join(f"> {escaped(line)}  " for line in report["error"].splitlines()))
    if recorded.next:
        parts.append(f"To go on:\n\n    {one_line(recorded.next)}")
    parts.append(table("| step | ok | failed | pending | people/s |", ":--|--:|--:|--:|--:", _step_rows(recorded)))
    if report["checks"] or recorded.unmade:
        parts.append(table("| check | errors | of | |", ":--|--:|--:|:--", _check_rows(recorded)))
    parts += _wrong(recorded)
    if rejected := recorded.rejected:
        parts.append(escaped(rejected))
    if report["transactions"]:
        parts.append("Transactions: " + "; ".join(_transactions(report["transactions"])) + ".")
    if payments := report.get("payments"):
        parts += _payments(payments)
    if report.get("traffic"):
        head = "| service | requests | repeated | refused | unanswered | p50 | p95 | p99 |"
        parts.append(table(head, ":--" + "|--:" * 7, _traffic_rows(recorded)))
    elif report.get("requests"):  # of an earlier version
        asked = (f"{escaped(service)} {number:,}" for service, number in report["requests"].items())
        parts.append(f"Requests: {'; '.join(asked)}.")
    if recorded.orphans:
        parts.append(f"Accounts of the custodial engine that belong to no person: {recorded.orphans}.")
    return "\n\n".join(parts) + "\n"


def _circumstances(report: dict[str, Any]) -> Iterator[str]:
    """When the command began and how long it took, the profile of its people, and faults and pace of its sandbox."""
    if when := last_command(report):
        yield f"{escaped(when[0].upper() + when[1:])}."
    if profile := report.get("profile"):
        yield f"People drawn from the profile {escaped(profile['name'])}."
    if "faults" in report:
        yield f"The sandbox had faults on: {escaped(', '.join(report['faults']))}."
    if report.get("pace") == "real":
        yield "The sandbox kept the real services' pace."


def _wrong(recorded: Recorded) -> list[str]:
    """What went wrong, by problem, and where all the people are; nothing when nothing did."""
    found = recorded.problems.problems
    if not found:
        return []
    parts = ["### What went wrong\n\n" + "\n".join(_problem(one) for one in found[:_PROBLEMS])]
    if more := found[_PROBLEMS:]:
        parts.append(f"{len(more):,} more problems are in the other reports.")
    if people := recorded.problems.people:
        parts.append(f"{escaped(where(people, FAILING))}. To see one of them:\n\n    {one_line(one_of_them())}")
    return parts


def _step_rows(recorded: Recorded) -> list[list[str]]:
    rows = []
    for step in recorded.report["steps"]:
        pace = recorded.pace(step["name"])
        rate = f"{pace.per_second:,.0f}" if pace and pace.per_second else ""
        rows.append([step["name"], *(f"{step[key]:,}" for key in ("ok", "failed", "pending")), rate])
    return rows


def _check_rows(recorded: Recorded) -> list[list[str]]:
    rows = [
        [
            check["name"],
            f"{check['errors']:,}",
            f"{check['total']:,}",
            check_notes(check),
        ]
        for check in recorded.report["checks"]
    ]
    return rows + [[check["name"], "", "", "not made"] for check in recorded.unmade]


def _problem(problem: Problem) -> str:
    """An item of a list: the problem, and below it the people, with what was said about the first of them."""
    first = problem.first[0]
    said = f"; {named(first)}: {first.reason}" if first.reason != problem.reason else ""
    return f"- **{escaped(problem.sentence)}**\n  - {escaped(who(problem) + said)}"


def _traffic_rows(recorded: Recorded) -> list[list[str]]:
    counted = ("requests", "repeated", "refused", "unanswered")
    return [
        [service]
        + [f"{held[key]:,}" for key in counted]
        + [milliseconds(held["seconds"][share]) for share in ("p50", "p95", "p99")]
        for service, held in recorded.report["traffic"].items()
    ]


def _payments(payments: dict[str, Any]) -> list[str]:
    """What became of the payments, and some figures of them beside the profile. It names nobody."""
    drawn = picture(payments, [])
    rows = [[one.name, one.found, one.wanted] for one in drawn.shares]
    for title, figures in drawn.figures:
        rows += [[f"{title}: {one.name}", one.found, one.wanted] for one in figures if one.name in _QUANTILES]
    profile = payments.get("profile")
    head, rule = "| payments | paid |", ":--|--:"
    if profile:
        head, rule = f"{head} {escaped(profile)} |", f"{rule}|--:"
    shown = [row if profile else row[:2] for row in rows]
    return [escaped(drawn.told), table(head, rule, shown), *([escaped(drawn.note)] if drawn.note else [])]


def _transactions(counts: dict[str, dict[str, Any]]) -> list[str]:
    return [
        f"{escaped(purpose)} {', '.join(f'{number:,} {status}' for status, number in sorted(by_status.items()))}"
        for purpose, by_status in counts.items()
    ]


def table(head: str, rule: str, rows: list[list[str]]) -> str:
    """A table with its head, the rule below it without its outer bars, and its rows, which are escaped."""
    return "\n".join([head, f"|{rule}|", *(f"| {' | '.join(map(escaped, row))} |" for row in rows)])


def escaped(text: str) -> str:
    """Escapes text for Markdown, so that it cannot contain links, HTML or the end of a table cell."""
    return re.sub(r"[\\`*_<>\[\]|#]", r"\\\g<0>", " ".join(printable(text).split()))


FORM = ReportForm("markdown", "report.md", as_markdown)
