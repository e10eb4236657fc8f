"""``report.json``: how a run stands, for machines. Its shape is ``schemas/report-v1.json``."""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cicscenario import __version__
from cicscenario.connections import Connections
from cicscenario.engine.runner import StepTally
from cicscenario.errors import CicScenarioError, ExitCode
from cicscenario.files import from_here, write_whole
from cicscenario.language import Scenario
from cicscenario.language.schema import secret_paths
from cicscenario.plan.compile import Plan
from cicscenario.report.environment import shown_environment
from cicscenario.resources import load_schema
from cicscenario.state.store import CheckRow, Store

REPORT = "report.json"
_FAILING = 20  #: people shown a step


def summary(
    plan: Plan,
    store: Store,
    checks: Collection[CheckRow],
    exit_code: ExitCode,
    tallies: Mapping[str, StepTally],
    *,
    services: Connections | None = None,
    error: CicScenarioError | None = None,
) -> dict[str, Any]:
    """The report's content: ``checks`` are those just made, ``tallies`` give the seconds each step took in the run just
    ended, if there was one.

    ``services`` were asked, and ``error`` is what ended it early. Secrets are neither in the environment nor in the
    scenario, as reported.
    """
    counts = store.counts()
    report = {
        "scenario": plan.scenario.name,
        "exit_code": int(exit_code),
        "population": plan.size,
        "steps": [_step(step.name, counts.get(step.name, (0, 0)), plan, store, tallies) for step in plan.steps],
        "checks": _checks(plan, store, checks),
        "transactions": store.transaction_counts(),
        "file": from_here(plan.scenario.path),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": __version__,
        "plan": {
            "steps": [{"name": step.name, "summary": step.summary} for step in plan.steps],
            "checks": [{"name": check.name, "summary": check.summary} for check in plan.checks],
        },
        "document": _document(plan.scenario),
    }
    if plan.scenario.backend.custodial:
        report["orphans"] = store.orphans()
    if services:
        report["environment"] = shown_environment(services.environment)
        report["requests"] = services.requests()
    if error:
        report["error"] = error.message + (f"\n{error.hint}" if error.hint else "")
    return report


def _step(
    name: str, counted: tuple[int, int], plan: Plan, store: Store, tallies: Mapping[str, StepTally]
) -> dict[str, Any]:
    ok, failed = counted
    found = store.failures(name, _FAILING) if failed else []
    failing = [{"person": outcome.person, "problem": outcome.detail or "failed"} for outcome in found]
    return {
        "name": name,
        "ok": ok,
        "failed": failed,
        "pending": plan.size - ok - failed,
        "total": plan.size,
        "seconds": round(tallies[name].seconds, 3) if name in tallies else 0.0,
    } | ({"failing": failing} if failing else {})


def _checks(plan: Plan, store: Store, made: Collection[CheckRow]) -> list[dict[str, Any]]:
    """The last result of each of the plan's checks and of those just made: few of them do not undo the others."""
    held = store.checks() | {row.name: row for row in made}
    names = dict.fromkeys([*(check.name for check in plan.checks), *(row.name for row in made)])
    return [_check(held[name]) for name in names if name in held]


def _check(row: CheckRow) -> dict[str, Any]:
    said = {"allowed": row.allowed} if row.allowed else {}
    return {"name": row.name, "errors": row.errors, "total": row.total, "failing": row.failing, **said}


def _document(scenario: Scenario) -> dict[str, Any]:
    """The effective scenario; not even where its secrets are."""
    document = scenario.canonical()
    for path in secret_paths(load_schema("scenario-v1")):
        holder: Any = document
        for part in path[:-1]:
            holder = holder.get(part, {}) if isinstance(holder, dict) else {}
        if path[-1] in holder:
            holder[path[-1]] = "(a secret)"
    return document


def write_summary(directory: Path, report: dict[str, Any]) -> None:
    """Writes ``report.json`` into the run directory; a reader sees the old one or the new one, never half."""
    write_whole(directory / REPORT, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
