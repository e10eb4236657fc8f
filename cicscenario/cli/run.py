"""``cicscenario run``: starts or resumes a scenario, and verifies that all people arrived."""

from dataclasses import dataclass

from cicscenario.cli.home import made_home
from cicscenario.cli.request import RunPlace, run_request
from cicscenario.engine import run as engine
from cicscenario.engine.events import Listener, Noted
from cicscenario.engine.select import EVERYTHING, Selection
from cicscenario.errors import ExitCode
from cicscenario.state.rows import CheckRow


@dataclass(frozen=True)
class RunOptions:
    """The options of ``run``."""

    selection: Selection = EVERYTHING
    fresh: bool = False
    reconcile: bool = False
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
    if options.serve is None:
        return engine.run(request, listener)
    from cicscenario.cli.watch import page_of

    with page_of(place.scenario, place.overrides, place.directory, options.serve) as address:
        listener(Noted(f"the page of this run: {address}"))
        return engine.run(request, listener)
