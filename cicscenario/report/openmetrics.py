"""The report as OpenMetrics text, for GitLab's metrics reports and for Prometheus."""

from collections.abc import Iterable, Iterator

from cicscenario.printable import printable
from cicscenario.report.form import ReportForm
from cicscenario.report.recorded import Recorded
from cicscenario.transport.traffic import SHARES

Sample = tuple[dict[str, str], float]


def as_openmetrics(recorded: Recorded) -> str:
    """The report as OpenMetrics: gauges of the run, steps, checks and transactions, and a histogram of batch durations."""
    return "\n".join([*_gauges(recorded), *_traffic(recorded), *_histogram(recorded), "# EOF"]) + "\n"


def _gauges(recorded: Recorded) -> Iterator[str]:
    report = recorded.report
    own = {"scenario": report["scenario"]}
    steps, checks = report["steps"], report["checks"]
    yield from _family("exit_code", "Exit code of the command that wrote the report.", [(own, report["exit_code"])])
    yield from _family("people", "People the scenario asks for.", [(own, report["population"])])
    outcomes = ("ok", "failed", "pending")
    yield from _family(
        "step_people",
        "People by step and outcome.",
        [(own | {"step": step["name"], "outcome": name}, step[name]) for step in steps for name in outcomes],
    )
    yield from _family(
        "check_errors",
        "People who do not pass a check.",
        [(own | {"check": check["name"]}, check["errors"]) for check in checks],
    )
    yield from _family(
        "transactions",
        "Transactions by purpose and status.",
        [
            (own | {"purpose": purpose, "status": status}, number)
            for purpose, counts in report["transactions"].items()
            for status, number in counts.items()
        ],
    )
    yield from _family(
        "requests",
        "Requests sent to the services that take one request per person.",
        [(own | {"service": service}, number) for service, number in report.get("requests", {}).items()],
    )
    yield from _family(
        "orphans",
        "Accounts of the custodial engine that belong to no person, at most.",
        [(own, report["orphans"])] if "orphans" in report else [],
    )
    yield from _family(
        "orphans_certain",
        "Accounts of the custodial engine that belong to no person and are known to exist.",
        [(own, report["orphans_certain"])] if "orphans_certain" in report else [],
    )
    paces = [(own | {"step": step["name"]}, pace) for step in steps if (pace := recorded.pace(step["name"]))]
    yield from _family(
        "step_duration_seconds",
        "Seconds from the beginning of a step's first batch to the end of its last in the last run.",
        [(labels, pace.seconds) for labels, pace in paces],
        unit="seconds",
    )
    yield from _family(
        "step_people_per_second",
        "People per second in a step of the last run.",
        [(labels, round(pace.per_second, 3)) for labels, pace in paces if pace.per_second is not None],
    )


def _traffic(recorded: Recorded) -> Iterator[str]:
    held = recorded.report.get("traffic", {})
    own = {"scenario": recorded.report["scenario"]}
    for kind in ("repeated", "refused", "unanswered"):
        samples = [(own | {"service": service}, figures[kind]) for service, figures in held.items()]
        yield from _family(f"requests_{kind}", f"Requests to a service that were {kind}.", samples)
    if not held:
        return
    name = "cicscenario_request_seconds"
    yield f"# TYPE {name} summary"
    yield f"# UNIT {name} seconds"
    yield f"# HELP {name} How long requests to a service took."
    for service, figures in held.items():
        labels = own | {"service": service}
        for share in SHARES:
            yield f"{name}{_labels(labels | {'quantile': f'0.{share[1:]}'})} {figures['seconds'][share]}"
        yield f"{name}_count{_labels(labels)} {figures['requests']}"
        yield f"{name}_sum{_labels(labels)} {figures['seconds']['sum']}"


def _family(name: str, text: str, samples: Iterable[Sample], unit: str = "") -> Iterator[str]:
    rows = [f"cicscenario_{name}{_labels(labels)} {value}" for labels, value in samples]
    if rows:
        yield f"# TYPE cicscenario_{name} gauge"
        if unit:
            yield f"# UNIT cicscenario_{name} {unit}"
        yield f"# HELP cicscenario_{name} {text}"
        yield from rows


def _histogram(recorded: Recorded) -> Iterator[str]:
    name = "cicscenario_batch_seconds"
    steps = [(n, step) for n, step in (recorded.progress or {}).get("steps", {}).items() if step["batches"]]
    if not steps:
        return
    yield f"# TYPE {name} histogram"
    yield f"# UNIT {name} seconds"
    yield f"# HELP {name} Durations of batches in a step of the last run."
    for step, held in steps:
        labels, counted = {"scenario": recorded.report["scenario"], "step": step}, 0
        for top, number in held["batch_seconds"]["buckets"].items():
            counted += number
            yield f"{name}_bucket{_labels(labels | {'le': top})} {counted}"
        yield f"{name}_count{_labels(labels)} {counted}"
        yield f"{name}_sum{_labels(labels)} {held['batch_seconds']['sum']}"


def _labels(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


FORM = ReportForm("openmetrics", "metrics.txt", as_openmetrics)
