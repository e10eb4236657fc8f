"""``cicscenario verify``: asks the services again whether all people arrived. Possible at any time, also during a run."""

from collections.abc import Sequence
from pathlib import Path

from cicscenario.cli import workspace
from cicscenario.cli.interrupts import stopped_by_signals
from cicscenario.engine.events import Listener
from cicscenario.engine.reverify import VerifyRequest, reverify
from cicscenario.errors import ExitCode
from cicscenario.report.summary import write_record
from cicscenario.state.rows import CheckRow


def verify(
    path: Path,
    overrides: Sequence[str],
    env: str | None,
    directory: Path | None,
    include: Sequence[str],
    exclude: Sequence[str],
    choice: workspace.SandboxChoice,
    listener: Listener,
) -> tuple[ExitCode, list[CheckRow]]:
    """Runs the scenario's checks, or those named. Returns OK only when every check passes for all people."""
    request = VerifyRequest(
        path=path,
        overrides=tuple(overrides),
        directory=lambda scenario: workspace.run_directory(scenario, directory),
        environment=lambda plan: workspace.environment(plan, env, choice, listener),
        stoppable=stopped_by_signals,
        report=write_record,
        include=tuple(include),
        exclude=tuple(exclude),
    )
    return reverify(request, listener)
