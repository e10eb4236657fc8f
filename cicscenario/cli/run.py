"""``cicscenario run``: starts or resumes a scenario, and verifies that all people arrived."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from cicscenario.cli import workspace
from cicscenario.cli.home import home, made_home
from cicscenario.cli.interrupts import stopped_by_signals
from cicscenario.cli.revision import revision_of
from cicscenario.engine import run as engine
from cicscenario.engine.events import Listener, Noted, StageStarted
from cicscenario.engine.select import EVERYTHING, Selection
from cicscenario.errors import ExitCode
from cicscenario.language import Environment
from cicscenario.plan.compile import Plan
from cicscenario.report.summary import write_record
from cicscenario.state.rows import CheckRow


@dataclass(frozen=True)
class RunOptions:
    """The options of ``run``."""

    overrides: tuple[str, ...] = ()
    env: str | None = None
    directory: Path | None = None
    selection: Selection = EVERYTHING
    fresh: bool = False
    reconcile: bool = False
    sandbox: workspace.SandboxChoice = field(default_factory=workspace.SandboxChoice)
    save: Path | None = None  #: where the sandbox is saved when the run is green
    serve: int | None = None  #: the port of the page; 0 for any that is free; None for no page


def run(path: Path, options: RunOptions, listener: Listener) -> tuple[ExitCode, list[CheckRow]]:
    """Runs the scenario in ``path``. Raises the error that stopped it, after writing ``report.json``."""
    request = engine.RunRequest(
        path=path,
        directory=lambda scenario: workspace.run_directory(scenario, options.directory, made_home),
        environment=lambda plan: _environment(plan, options, listener),
        stoppable=stopped_by_signals,
        report=write_record,
        overrides=options.overrides,
        selection=options.selection,
        fresh=options.fresh,
        reconcile=options.reconcile,
        revision=revision_of(path),
    )
    code, rows = _run(request, options, listener)
    if options.save and code is ExitCode.OK:
        from cicscenario.cli.snapshot import saved

        listener(StageStarted("saving the sandbox"))
        listener(Noted(saved(options.save, home())))
    return code, rows


def _environment(plan: Plan, options: RunOptions, listener: Listener) -> AbstractContextManager[Environment]:
    if options.save:
        from cicscenario.cli.snapshot import require_sandbox

        require_sandbox(plan.scenario, options.env)
    return workspace.environment(plan, options.env, options.sandbox, listener)


def _run(request: engine.RunRequest, options: RunOptions, listener: Listener) -> tuple[ExitCode, list[CheckRow]]:
    """Runs it, with its page if that was asked for."""
    if options.serve is None:
        return engine.run(request, listener)
    from cicscenario.cli.watch import page_of

    with page_of(request.path, options.overrides, options.directory, options.serve) as address:
        listener(Noted(f"the page of this run: {address}"))
        return engine.run(request, listener)
