"""``cicscenario run``: starts or resumes a scenario, and verifies that all people arrived."""

from cicscenario.api import actions
from cicscenario.api.actions import RunOptions
from cicscenario.api.runplace import RunPlace
from cicscenario.cli.interrupts import stopped_by_signals
from cicscenario.engine.events import Listener, Noted
from cicscenario.errors import ExitCode
from cicscenario.state.rows import CheckRow


def run(
    place: RunPlace, options: RunOptions, listener: Listener, serve: int | None = None
) -> tuple[ExitCode, list[CheckRow]]:
    """Runs the scenario; see ``actions.run``. ``serve`` is the port of its page: 0 for any that is free; None for no page."""
    if serve is None:
        return actions.run(place, options, listener, stopped_by_signals)
    from cicscenario.cli.watch import page_of

    with page_of(place.scenario, place.overrides, place.directory, serve) as address:
        listener(Noted(f"the page of this run: {address}"))
        return actions.run(place, options, listener, stopped_by_signals)
