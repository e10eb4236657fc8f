"""``cicscenario run``: starts or resumes a scenario, and verifies that all people arrived."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from cicscenario.cli import workspace
from cicscenario.cli.home import made_home
from cicscenario.cli.interrupts import stopped_by_signals
from cicscenario.cli.revision import revision_of
from cicscenario.engine import run as engine
from cicscenario.engine.events import Listener, Noted
from cicscenario.engine.select import EVERYTHING, Selection
from cicscenario.errors import ExitCode
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
    serve: int | None = None  #: the port of the page; 0 for any that is free; None for no page

    def with_values(self, values: tuple[str, ...]) -> "RunOptions":
        """The same with more values for --set."""
        return replace(self, overrides=(*self.overrides, *values))


def run(path: Path, options: RunOptions, listener: Listener) -> tuple[ExitCode, list[CheckRow]]:
    """Runs the scenario in ``path``. Raises the error that stopped it, after writing ``report.json``."""
    request = engine.RunRequest(
        path=path,
        directory=lambda scenario: workspace.run_directory(scenario, options.directory, made_home),
        environment=lambda plan: workspace.environment(plan, options.env, options.sandbox, listener),
        stoppable=stopped_by_signals,
        report=write_record,
        overrides=options.overrides,
        selection=options.selection,
        fresh=options.fresh,
        reconcile=options.reconcile,
        revision=revision_of(path),
    )
    if options.serve is None:
        return engine.run(request, listener)
    from cicscenario.cli.watch import page_of

    with page_of(path, options.overrides, options.directory, options.serve) as address:
        listener(Noted(f"the page of this run: {address}"))
        return engine.run(request, listener)
