"""``cicscenario verify``: asks the services again whether everybody arrived; at any time, also beside a run."""

import threading
from collections.abc import Sequence
from pathlib import Path

from cicscenario.cli import workspace
from cicscenario.cli.interrupts import stopped_by_signals
from cicscenario.connections import Service
from cicscenario.engine.events import Listener, ReportWritten
from cicscenario.engine.identity import compare
from cicscenario.engine.verify import verify as verify_people
from cicscenario.errors import ExitCode
from cicscenario.language import load_scenario
from cicscenario.plan.compile import compile_plan, narrowed_checks
from cicscenario.report.summary import summary, write_summary


def verify(
    path: Path,
    overrides: Sequence[str],
    env: str | None,
    directory: Path | None,
    include: Sequence[str],
    exclude: Sequence[str],
    choice: workspace.SandboxChoice,
    listener: Listener,
) -> ExitCode:
    """Runs the scenario's checks, or those named; OK only when every check finds everybody."""
    scenario = load_scenario(path, overrides)
    checks = narrowed_checks(scenario, include, exclude)
    place = workspace.run_directory(scenario, directory)
    store = workspace.store_of_a_run(place, path)
    try:
        compiled = compile_plan(scenario, store)
        with workspace.connections(compiled, env, choice) as services:
            compare(store, scenario, services, on_chain=Service.CHAIN in compiled.services)
            context = workspace.check_context(scenario, services, place, store)
            stopping = threading.Event()
            with stopped_by_signals(stopping.set):
                rows = verify_people(checks, context, store, compiled.size, listener, stopping)
        code = ExitCode.CHECKS_FAILED if any(row.errors for row in rows) else ExitCode.OK
        write_summary(place, summary(compiled, store, rows, code, {}, services=services))
        listener(ReportWritten(str(place)))
        return code
    finally:
        store.close()
