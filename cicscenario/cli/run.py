"""``cicscenario run``: starts or resumes a scenario, and verifies that all people arrived."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from cicscenario.cli.home import home, made_home
from cicscenario.cli.request import RunPlace, run_request
from cicscenario.engine import run as engine
from cicscenario.engine.events import Listener, Noted, StageStarted
from cicscenario.engine.select import EVERYTHING, Selection
from cicscenario.errors import ExitCode
from cicscenario.language import Environment
from cicscenario.plan.compile import Plan
from cicscenario.state.rows import CheckRow


@dataclass(frozen=True)
class RunOptions:
    """Options of ``cicscenario run``."""

    selection: Selection = EVERYTHING
    fresh: bool = False
    reconcile: bool = False
    save: Path | None = None  #: where the sandbox is saved when the run is green
    serve: int | None = None  #: the port of the page; 0 for any that is free; None for no page


def run(place: RunPlace, options: RunOptions, listener: Listener) -> tuple[ExitCode, list[CheckRow]]:
    """Runs the scenario. Raises the error that stopped it, after writing ``report.json``."""
    request = run_request(
        place,
        listener,
        find=made_home,
        selection=options.selection,
        fresh=options.fresh,
        reconcile=options.reconcile,
    )
    if not options.save:
        return _run(request, place, options, listener)
    from cicscenario.cli.snapshot import require_sandbox, saved

    def environment(plan: Plan) -> AbstractContextManager[Environment]:
        require_sandbox(plan.scenario, place.env)
        return request.environment(plan)

    code, rows = _run(replace(request, environment=environment), place, options, listener)
    if code is ExitCode.OK:
        listener(StageStarted("saving the sandbox"))
        listener(StageStarted("saving the sandbox"))
        listener(Noted(saved(options.save, home())))
    return code, rows


def _run(
    request: engine.RunRequest, place: RunPlace, options: RunOptions, listener: Listener
) -> tuple[ExitCode, list[CheckRow]]:
    """Runs it, with its page if that was asked for."""
    if options.serve is None:
        return engine.run(request, listener)
    from cicscenario.cli.watch import page_of

    with page_of(place.scenario, place.overrides, place.directory, options.serve) as address:
        listener(Noted(f"the page of this run: {address}"))
        return engine.run(request, listener)
