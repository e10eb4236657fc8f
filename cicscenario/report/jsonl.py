"""Events as JSON lines, for programs that follow a run."""

import threading
from dataclasses import asdict
from typing import TextIO

from cicscenario.engine.events import Event
from cicscenario.printable import json_text, say


class JsonLines:
    """Writes each event as one line: its class as ``event``, then its fields."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._mutex = threading.Lock()

    def __call__(self, event: Event) -> None:
        line = json_text({"event": type(event).__name__, **asdict(event)})
        with self._mutex:
            say(line, stream=self._stream, flush=True)
