"""Shows the progress of a run: a live view on a terminal, plain lines otherwise."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TextIO

from cicscenario.engine.events import (
    CheckProgressed,
    CommandEnded,
    CommandFailed,
    DirectoryTaken,
    Event,
    Listener,
    RequestRepeated,
    RequestsCounted,
    ServicesOpened,
    ServiceStarting,
    StageStarted,
    StepProgressed,
    Waiting,
)
from cicscenario.printable import Colour, say
from cicscenario.report.colour import coloured, is_terminal, tone
from cicscenario.report.words import line_of

_STEP_EVERY = 4.0  # seconds between two lines of one step
_QUIET = 3.0  # seconds without a line after which what is waited for is said
_WAIT_EVERY = 30.0  # seconds between two lines about one wait while there are other lines


class PlainConsole:
    """Prints lines: of a step when it ends and every four seconds, of a wait when there is nothing else to say.

    ``verbose`` shows each request that is repeated, too. ``clock`` gives seconds.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        colour: bool = False,
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._colour = colour
        self._verbose = verbose
        self._clock = clock
        self._shown: dict[str, float] = {}
        self._last = clock()
        self._mutex = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._mutex:
            if not self._wanted(event):
                return
            if line := line_of(event):
                self._last = self._clock()
                say(line, stream=self._stream, flush=True, tone=tone(event) if self._colour else None)

    def _wanted(self, event: Event) -> bool:
        quiet = self._clock() - self._last >= _QUIET
        match event:
            case StepProgressed():
                return event.ok + event.failed >= event.total or self._due(event.step, _STEP_EVERY, now=quiet)
            case Waiting():
                return self._due(f"wait {event.activity}", _WAIT_EVERY, now=quiet)
            case CheckProgressed() | StageStarted():
                return quiet
            case ServiceStarting():
                return event.seconds is not None
            case RequestRepeated():
                return self._verbose
            case DirectoryTaken() | CommandFailed() | ServicesOpened() | RequestsCounted():
                return False  # the error itself is told on stderr
        return True

    def _due(self, what: str, every: float, *, now: bool) -> bool:
        """Whether so many seconds have passed since a line about it, or since it was first asked for; or ``now``."""
        time = self._clock()
        if time - self._shown.setdefault(what, time) < every and not now:
            return False
        self._shown[what] = time
        return True


def console(stream: TextIO, colour: Colour = Colour.AUTO, *, verbose: bool = False) -> AbstractContextManager[Listener]:
    """The live console if ``stream`` is a terminal, else the plain one."""
    is_coloured = coloured(stream, colour)
    if is_terminal(stream):
        from cicscenario.report.live import LiveConsole

        return LiveConsole(stream, colour=is_coloured, verbose=verbose)
    return nullcontext(PlainConsole(stream, colour=is_coloured, verbose=verbose))


def verdict_shown(event: CommandEnded, stream: TextIO, colour: Colour) -> None:
    """Prints the verdict as the last line."""
    PlainConsole(stream, colour=coloured(stream, colour))(event)
