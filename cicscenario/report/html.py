"""The report as one HTML file without anything from elsewhere; for light and dark mode, phones and printing.

Its only script is the search for people, and on a page that is served, what brings it up to date.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cicscenario.engine.failing import FAILING
from cicscenario.engine.problems import Problem
from cicscenario.engine.progress import CHECKS
from cicscenario.files import OWNER_ONLY
from cicscenario.plan.makeup import largest
from cicscenario.printable import json_text, printable
from cicscenario.report.axis import WORKED, Axis, DrawnStep
from cicscenario.report.flowpicture import picture
from cicscenario.report.form import ReportForm
from cicscenario.report.problems import named, one_of_them, where, who
from cicscenario.report.recorded import Recorded, milliseconds
from cicscenario.report.took import took
from cicscenario.report.words import duration
from cicscenario.resources import template_path
from cicscenario.wording import counted

_PROBLEMS = 50  # that are shown
_ROWS = 25  # people in the table before anybody searches
_SCRIPT = template_path("report.js").read_text("utf-8")


@dataclass(frozen=True)
class ServiceRow:
    """A service, or another part of the environment: its settings without secrets, and the requests that it got.

    ``traffic`` has more about these, as in ``report.json``; empty where it is not known.
    """

    name: str
    settings: list[tuple[str, str]]
    requests: int | None
    traffic: dict[str, Any]


def as_html(recorded: Recorded, *, live: float | None = None) -> str:
    """The report as HTML. All data of the run are escaped. ``live``: it asks its server for news every so many seconds."""
    report = recorded.report
    axis = Axis(timeline) if (timeline := (recorded.progress or {}).get("timeline")) else None
    roster = recorded.people or {"people": [], "steps": [], "with_problems": 0, "all_problems": True}
    return (
        _templates()
        .get_template("report.html.j2")
        .render(
            run=recorded,
            report=report,
            axis=axis,
            tracks=_tracks(axis, report),
            checking=_checking(axis),
            took=took(report),
            sessions=axis.sessions if axis else [],
            places=_places(report),
            flows=_flows(recorded),
            payments=picture(held, roster["people"]) if (held := report.get("payments")) else None,
            make_up=[(name, largest(groups)) for name, groups in report.get("profile", {}).get("figures", {}).items()],
            problems=recorded.problems,
            most_problems=_PROBLEMS,
            causes=lambda check: list(_causes(check, recorded.problems.problems)),
            who=who,
            named=named,
            where=lambda people: where(people, FAILING),
            one_of_them=one_of_them(),
            roster=roster,
            first_people=roster["people"][:_ROWS],
            roster_json=_in_script(roster),
            document=yaml.safe_dump(report.get("document", {}), sort_keys=False, allow_unicode=True).strip(),
            script=Markup(_SCRIPT),  # noqa: S704 (ours)
            policy=policy(),
            live=live,
        )
    )


def message_page(title: str, message: str, *, live: float) -> str:
    """A page that says one thing, until its server has more."""
    template = _templates().get_template("message.html.j2")
    return template.render(title=title, message=message, script=Markup(_SCRIPT), policy=policy(), live=live)  # noqa: S704


@cache
def policy() -> str:
    """The Content-Security-Policy: our script alone may run, and it may ask only the server that the page is from."""
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'"
    )


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(template_path("")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters |= {
        "seconds": seconds_in_words,
        "duration": duration,
        "counted": counted,
        "moment": moment,
        "number": _number,
        "rate": rate,
        "milliseconds": milliseconds,
    }
    return environment


def _shown(value: Any) -> Any:
    """A value for the page; text that is no markup without characters that change what a reader sees."""
    return printable(value) if type(value) is str else value


def _in_script(value: Any) -> Markup:
    """A value as JSON inside a script element, which nothing in it can end."""
    text = json_text(value, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))  # noqa: S704


def seconds_in_words(number: float) -> str:
    """A duration, such as ``4.2 s``, ``3 min 5 s`` or ``2 h 10 min``."""
    if number < 1:
        return f"{number * 1000:.0f} ms"
    if round(number, 1) < 60:
        return f"{number:.1f} s"
    minutes, rest = divmod(round(number), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def moment(text: str) -> str:
    """A time in ISO 8601 for people; other text as it is."""
    return text.replace("T", " ").replace("+00:00", " UTC") if len(text) == len("2026-01-02T03:04:05+00:00") else text


def _number(value: float) -> str:
    return f"{value:,}"


def rate(value: float | None) -> str:
    """People per second; a dash where there is none."""
    return "\N{EN DASH}" if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _tracks(axis: Axis | None, report: dict[str, Any]) -> dict[str, DrawnStep | None]:
    return {step["name"]: axis.track(step["name"]) if axis else None for step in report["steps"]}


def _causes(check: str, problems: Iterable[Problem]) -> Iterator[str]:
    """Why people do not pass a check, for its row: what was found, or what it follows from."""
    for problem in problems:
        number = f"{problem.people:,}"
        if (problem.what, problem.name) == ("check", check):
            yield f"{number}: {problem.reason}"
        elif check in problem.failing:
            yield f"{number}: follows from {problem.name} ({problem.lacking or 'failed'})"
        elif check in problem.unmade:
            yield f"{number}: not made, since {problem.name} failed ({problem.lacking or 'failed'})"


def _checking(axis: Axis | None) -> DrawnStep | None:
    """The bar of the checks, through which nobody comes one by one."""
    track = axis.track(CHECKS) if axis else None
    return replace(track, spans=tuple(replace(span, kind=WORKED) for span in track.spans)) if track else None


def _places(report: dict[str, Any]) -> list[ServiceRow]:
    """The environment by the first part of its keys, which is the service for most."""
    settings = [(*key.rpartition("."), value) for key, value in report.get("environment", {}).items()]
    traffic = report.get("traffic", {})
    requests = report.get("requests", {}) | {name: held["requests"] for name, held in traffic.items()}
    rows = {
        name: [(f"{above.partition('.')[2]}.{key}".lstrip("."), value) for above, _, key, value in held]
        for name, held in groupby(settings, key=lambda row: row[0].partition(".")[0])
    }
    return [
        ServiceRow(name or "environment", rows.get(name, []), requests.get(name), traffic.get(name, {}))
        for name in dict.fromkeys([*rows, *requests])
    ]


def _flows(recorded: Recorded) -> list[tuple[str, list[dict[str, Any]]]]:
    """What people were given, by who gave it, with the transactions; then the other transactions."""
    report = recorded.report
    given = {row["step"]: row for row in report.get("money", [])}
    done = {step["name"]: step["ok"] for step in report["steps"]}
    rows = []
    for step in dict.fromkeys([*given, *report["transactions"]]):
        counts = report["transactions"].get(step, {})
        mined, failed = counts.get("mined", 0), counts.get("failed", 0)
        gas = recorded.gas(step)
        money = given.get(step, {})
        rows.append(
            {
                "step": step,
                "giver": money.get("giver", ""),
                "amount": money.get("amount"),
                "people": mined if counts else money.get("people", 0),
                "without": max(done.get(step, 0) - mined, 0) if counts and money else 0,
                "sends": bool(counts),
                "mined": mined,
                "failed": failed,
                "waiting": sum(counts.get(status, 0) for status in ("signed", "broadcast")),
                "gas": f"{mined * gas / 1e6:,.1f} M" if gas and counts else None,
            }
        )
    givers = dict.fromkeys([*(row["giver"] for row in given.values()), ""])  # in the order of the steps
    flows = [(giver, [row for row in rows if row["giver"] == giver]) for giver in givers]
    return [(giver, held) for giver, held in flows if held]


FORM = ReportForm("html", "report.html", as_html, OWNER_ONLY)
