"""What is done with a run, for the command line and for Python alike. Nothing is printed; events go to a listener."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from cicscenario.api.home import home
from cicscenario.api.request import run_request
from cicscenario.api.runplace import RunPlace
from cicscenario.engine import run as engine
from cicscenario.engine.deadline import Deadline
from cicscenario.engine.events import Listener, Noted, StageStarted
from cicscenario.engine.reverify import VerifyRequest, reverify
from cicscenario.engine.run import Stoppable
from cicscenario.engine.select import EVERYTHING, Selection
from cicscenario.errors import ExitCode
from cicscenario.language import Environment
from cicscenario.plan.compile import Plan
from cicscenario.state.rows import CheckRow


@dataclass(frozen=True)
class RunOptions:
    """How a run is to be carried out."""

    selection: Selection = EVERYTHING
    fresh: bool = False
    reconcile: bool = False
    save: Path | None = None  #: where the sandbox is saved when the run is green
    deadline: Deadline | None = None  #: of the command
    workers: int = 0  #: number of workers to start beside the run


@dataclass(frozen=True)
class VerifyOptions:
    """Which checks a verification makes. ``thorough``: those that look closely at some people only do so at all."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    thorough: bool = False
    deadline: Deadline | None = None  #: of the command


def run(
    place: RunPlace, options: RunOptions, listener: Listener, stoppable: Stoppable
) -> tuple[ExitCode, list[CheckRow]]:
    """Starts or resumes a run, and verifies. Raises the error that stopped it, after writing ``report.json``."""
    request = run_request(
        place,
        listener,
        stoppable,
        make_home=True,
        selection=options.selection,
        fresh=options.fresh,
        reconcile=options.reconcile,
        deadline=options.deadline,
        workers=options.workers,
    )
    if not options.save:
        return engine.run(request, listener)
    from cicscenario.api.snapshots import saved

    code, rows = engine.run(replace(request, environment=_of_a_sandbox(place, request.environment)), listener)
    if code is ExitCode.OK:
        listener(StageStarted("saving the sandbox"))
        listener(Noted(saved(options.save, place.home or home())))
    return code, rows


def _of_a_sandbox(
    place: RunPlace, opened: Callable[[Plan], AbstractContextManager[Environment]]
) -> Callable[[Plan], AbstractContextManager[Environment]]:
    from cicscenario.api.snapshots import require_sandbox

    def environment(plan: Plan) -> AbstractContextManager[Environment]:
        require_sandbox(plan.scenario, place.env, place.home or home())
        return opened(plan)

    return environment


def verify(
    place: RunPlace, options: VerifyOptions, listener: Listener, stoppable: Stoppable
) -> tuple[ExitCode, list[CheckRow]]:
    """Runs the scenario's checks, or those named. The code is OK only when every check passes for all people."""
    request = run_request(place, listener, stoppable, command="verify", deadline=options.deadline)
    return reverify(VerifyRequest(request, options.include, options.exclude, options.thorough), listener)
