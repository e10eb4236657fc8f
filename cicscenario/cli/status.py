"""``cicscenario status``: how far a run is, from its state alone."""

import json
from collections.abc import Sequence
from pathlib import Path

from cicscenario.cli import workspace
from cicscenario.engine.events import CheckFinished
from cicscenario.errors import ExitCode
from cicscenario.language import load_scenario
from cicscenario.plan.compile import compile_plan
from cicscenario.report.console import check_line
from cicscenario.report.summary import summary


def status(path: Path, overrides: Sequence[str], directory: Path | None, fmt: str) -> ExitCode:
    """Prints ok, failed and pending of each step and the last result of each check; asks no service."""
    compiled = compile_plan(load_scenario(path, overrides))
    place = workspace.run_directory(compiled.scenario, directory)
    store = workspace.existing_store(place)
    if store is None:
        print(f"{compiled.scenario.name}: nothing has been run in {place}")
        return ExitCode.OK
    try:
        held = store.checks()
        rows = [held[check.name] for check in compiled.checks if check.name in held]
        report = summary(compiled, store, rows, ExitCode.OK, {})
    finally:
        store.close()
    if fmt == "json":
        report.pop("exit_code")
        print(json.dumps(report, indent=2, ensure_ascii=False))
        return ExitCode.OK
    print(f"{compiled.scenario.name}: {compiled.size} people in {place}")
    for step in report["steps"]:
        print(f"  {step['name']:<22}{step['ok']:>9} ok {step['failed']:>7} failed {step['pending']:>9} pending")
    for row in rows:
        first = f"person {row.failing[0]['person']}: {row.failing[0]['problem']}" if row.failing else None
        print("  " + check_line(CheckFinished(row.name, row.errors, row.total, row.allowed, first)))
    return ExitCode.OK
