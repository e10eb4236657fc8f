"""``report.json``: how a run stands, for machines. Its shape is ``schemas/report-v1.json``."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cicscenario.engine.runner import StepTally
from cicscenario.errors import ExitCode
from cicscenario.plan.compile import Plan
from cicscenario.state.store import CheckRow, Store

REPORT = "report.json"


def summary(
    plan: Plan, store: Store, checks: Iterable[CheckRow], exit_code: ExitCode, tallies: Mapping[str, StepTally]
) -> dict[str, Any]:
    """The report's content; ``tallies`` give the seconds each step took in the run just ended, if there was one."""
    counts = store.counts()
    steps = []
    for step in plan.steps:
        ok, failed = counts.get(step.name, (0, 0))
        seconds = round(tallies[step.name].seconds, 3) if step.name in tallies else 0.0
        steps.append(
            {
                "name": step.name,
                "ok": ok,
                "failed": failed,
                "pending": plan.size - ok - failed,
                "total": plan.size,
                "seconds": seconds,
            }
        )
    return {
        "scenario": plan.scenario.name,
        "exit_code": int(exit_code),
        "population": plan.size,
        "steps": steps,
        "checks": [_check(row) for row in checks],
        "transactions": store.transaction_counts(),
    }


def _check(row: CheckRow) -> dict[str, Any]:
    said = {"allowed": row.allowed} if row.allowed else {}
    return {"name": row.name, "errors": row.errors, "total": row.total, "failing": row.failing, **said}


def write_summary(directory: Path, report: dict[str, Any]) -> None:
    """Writes ``report.json`` into the run directory; a reader sees the old one or the new one, never half."""
    passing = directory / f".{REPORT}.{os.getpid()}"
    passing.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
    passing.rename(directory / REPORT)
