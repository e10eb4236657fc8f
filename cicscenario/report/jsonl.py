"""Events as JSON lines, for programs that follow a run. ``schemas/events-v1.json`` defines their form."""

import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any, TextIO

from cicscenario.engine.events import Event
from cicscenario.engine.stopwatch import now
from cicscenario.printable import json_text, say


def stamp(time: datetime) -> str:
    """A time in UTC by ISO 8601, with milliseconds, such as ``2026-11-26T14:00:00.123+00:00``."""
    return time.isoformat(timespec="milliseconds")


def as_document(event: Event, time: datetime) -> dict[str, Any]:
    """An event as it is printed: its class as ``event``, its ``time``, then its fields."""
    return {"event": type(event).__name__, "time": stamp(time), **asdict(event)}


class JsonLines:
    """Writes each event as one line (see ``as_document``). ``time`` gives the time of day."""

    def __init__(self, stream: TextIO, time: Callable[[], datetime] = now) -> None:
        self._stream = stream
        self._time = time
        self._mutex = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._mutex:  # so that the times of lines never go back
            say(json_text(as_document(event, self._time())), stream=self._stream, flush=True)
