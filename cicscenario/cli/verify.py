"""``cicscenario verify``: asks the services again whether all people arrived. Possible at any time, also during a run."""

from cicscenario.api import actions
from cicscenario.api.actions import VerifyOptions
from cicscenario.api.runplace import RunPlace
from cicscenario.cli.interrupts import stopped_by_signals
from cicscenario.engine.events import Listener
from cicscenario.errors import ExitCode
from cicscenario.state.rows import CheckRow


def verify(place: RunPlace, options: VerifyOptions, listener: Listener) -> tuple[ExitCode, list[CheckRow]]:
    """Runs the scenario's checks, or those named; see ``actions.verify``."""
    return actions.verify(place, options, listener, stopped_by_signals)
