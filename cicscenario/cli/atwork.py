"""What a command says, on the standard error, that prints nothing before its result and may take long."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cicscenario.engine.events import Listener, StageStarted
from cicscenario.report.console import PlainConsole
from cicscenario.report.liveness import Liveness


@contextmanager
def at_work(stage: str) -> Iterator[Listener]:
    """While the block takes long, says every few seconds that ``stage`` goes on. Gives a listener, for what can be said of it."""
    with Liveness(PlainConsole(sys.stderr)) as listener:
        listener(StageStarted(stage))
        yield listener
