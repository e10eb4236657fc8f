"""``cicscenario verify``: asks the services again whether all people arrived. Possible at any time, also during a run."""

from collections.abc import Sequence

from cicscenario.cli.request import RunPlace, run_request
from cicscenario.engine.events import Listener
from cicscenario.engine.reverify import VerifyRequest, reverify
from cicscenario.errors import ExitCode
from cicscenario.state.rows import CheckRow


def verify(
    place: RunPlace, include: Sequence[str], exclude: Sequence[str], listener: Listener, *, thorough: bool = False
) -> tuple[ExitCode, list[CheckRow]]:
    """Runs the scenario's checks, or those named. Returns OK only when every check passes for all people.

    ``thorough``: checks that look closely at some people only look closely at all.
    """
    run = run_request(place, listener, command="verify")
    return reverify(VerifyRequest(run, tuple(include), tuple(exclude), thorough), listener)
