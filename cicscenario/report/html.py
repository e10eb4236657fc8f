"""The report as one HTML file without scripts and external files; for light and dark mode, phones and printing."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined, Template

from cicscenario.printable import printable
from cicscenario.report.form import ReportForm
from cicscenario.report.recorded import Recorded
from cicscenario.resources import template_path

_WIDTH, _HEIGHT = 300, 40  #: the size of a chart in SVG units


@dataclass(frozen=True)
class Chart:
    """The progress of a step over time: points of SVG polylines, and a description in words."""

    ok: str
    area: str
    failed: str
    label: str


def as_html(recorded: Recorded) -> str:
    """The report as HTML. All data of the run are escaped."""
    report = recorded.report
    seconds = float(recorded.progress["seconds"]) if recorded.progress else 0.0
    return _template().render(
        run=recorded,
        report=report,
        seconds=seconds,
        charts={step["name"]: _chart(step["name"], recorded, seconds) for step in report["steps"]},
        chain=_chain(recorded),
        document=yaml.safe_dump(report.get("document", {}), sort_keys=False, allow_unicode=True).strip(),
        width=_WIDTH,
        height=_HEIGHT,
    )


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    environment.filters["seconds"] = _seconds
    return environment.from_string(template_path("report.html.j2").read_text("utf-8"))


def _shown(value: Any) -> Any:
    """A value for the page; text that is no markup without characters that change what a reader sees."""
    return printable(value) if type(value) is str else value


def _seconds(number: float) -> str:
    if number < 1:
        return f"{number * 1000:.0f} ms"
    if number < 60:
        return f"{number:.1f} s"
    minutes, rest = divmod(round(number), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _chart(step: str, recorded: Recorded, seconds: float) -> Chart | None:
    """The chart of a step; None when the step had nothing to do in the last run."""
    points = recorded.points(step)
    if not points:
        return None
    seconds = max(seconds, 0.001)
    total = next(entry["total"] for entry in recorded.report["steps"] if entry["name"] == step)
    points = [*points, [max(seconds, points[-1][0]), *points[-1][1:]]]
    ok = [_place(at / seconds, good / total) for at, good, _ in points]
    failed = [_place(at / seconds, bad / total) for at, _, bad in points]
    end = points[-2]
    label = f"{step}: from {points[0][1]:,.0f} to {end[1]:,.0f} of {total:,} people, {end[2]:,.0f} failed, by {_seconds(end[0])}"
    some_failed = any(bad for _, _, bad in points)
    area = f"0,{_HEIGHT} {' '.join(ok)} {_WIDTH},{_HEIGHT}"
    return Chart(" ".join(ok), area, " ".join(failed) if some_failed else "", label)


def _place(across: float, up: float) -> str:
    return f"{min(across, 1) * _WIDTH:.1f},{_HEIGHT - min(up, 1) * _HEIGHT:.1f}"


def _chain(recorded: Recorded) -> list[dict[str, Any]]:
    """The transactions by purpose; ``gas`` is the typical gas use of so many transactions, None if it is unknown."""
    rows = []
    for purpose, counts in recorded.report["transactions"].items():
        pace = recorded.pace(purpose)
        mined = counts.get("mined", 0)
        typical = recorded.gas(purpose)
        rows.append(
            {
                "purpose": purpose,
                "mined": mined,
                "failed": counts.get("failed", 0),
                "waiting": sum(counts.values()) - mined - counts.get("failed", 0),
                "gas": f"about {mined * typical / 1e6:,.1f} M" if typical else None,
                "rate": pace.per_second if pace else None,
            }
        )
    return rows


FORM = ReportForm("html", "report.html", as_html)
