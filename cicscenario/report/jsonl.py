"""Events as JSON lines, for programs that follow a run."""

import json
import threading
from dataclasses import asdict
from typing import TextIO

from cicscenario.engine.events import Event


class JsonLines:
    """Writes each event as one line: its class as ``event``, then its fields."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._mutex = threading.Lock()

    def __call__(self, event: Event) -> None:
        line = json.dumps({"event": type(event).__name__, **asdict(event)}, ensure_ascii=False)
        with self._mutex:
            print(line, file=self._stream, flush=True)
