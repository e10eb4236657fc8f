"""Nothing is silent: when no event has come for some seconds, the stage, service or check under way is said to go on."""

import threading
import time
from collections.abc import Callable
from typing import Self

from cicscenario.engine.events import (
    CheckFinished,
    CheckProgressed,
    CommandEnded,
    CommandFailed,
    Event,
    Listener,
    RepairPlanned,
    RequestRepeated,
    RequestsCounted,
    RunStarted,
    ServicesOpened,
    ServiceStarting,
    StageStarted,
    Waiting,
)
from cicscenario.engine.periodic import Periodic

SILENCE = 3.0  #: seconds without an event after which ``Waiting`` is sent
_LOOK = 0.25  # seconds between two looks


class Liveness:
    """Passes events on. Entered, it sends ``Waiting`` by itself when there are none. Thread-safe. ``clock`` gives seconds."""

    def __init__(self, listener: Listener, clock: Callable[[], float] = time.monotonic) -> None:
        self._listener = listener
        self._clock = clock
        self._mutex = threading.Lock()
        self._activity = self._stage = "starting"
        self._since = self._last = clock()
        self._seen = ""
        self._watched = Periodic("liveness", _LOOK, self.tell_if_silent)

    def __enter__(self) -> Self:
        self._watched.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._watched.__exit__()

    def __call__(self, event: Event) -> None:
        with self._mutex:
            now = self._clock()
            if not isinstance(event, RequestRepeated | RequestsCounted | ServicesOpened):
                self._last = now  # these are no lines of the plain console
            if isinstance(event, StageStarted):
                self._stage = event.stage
            if (activity := _activity(event, self._stage)) is not None:
                self._activity, self._since, self._seen = activity, now, ""
            elif isinstance(event, RequestRepeated):
                self._seen = event.why
        self._listener(event)

    def tell_if_silent(self) -> None:
        """Sends the event if it is due."""
        with self._mutex:
            now = self._clock()
            if now - self._last < SILENCE or not self._activity:
                return
            self._last = now
            event = Waiting(self._activity, "", 0, round(now - self._since, 1), seen=self._seen)
        self._listener(event)


def _activity(event: Event, stage: str) -> str | None:
    """What goes on from this event on; None when it does not change that. ``stage`` is that in which it comes."""
    match event:
        case StageStarted():
            return event.stage
        case ServiceStarting():
            return f"starting {event.service}" if event.seconds is None else stage
        case RunStarted():
            return "steps"
        case CheckProgressed():
            return f"check {event.name}"
        case CheckFinished():
            return "checks"
        case CommandFailed() | CommandEnded() | RepairPlanned():  # after its plan, a repair asks
            return ""
    return None
