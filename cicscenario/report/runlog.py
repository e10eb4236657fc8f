"""The log of the commands of a run: ``run.log`` in the run directory, with every request that was repeated, and why.

It is readable by its owner only, holds no secret that this process has read, and never becomes larger than ``LARGEST``: then
its older half is removed.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from cicscenario.address import without_known
from cicscenario.boundaries import Boundary
from cicscenario.engine.events import CommandFailed, DirectoryTaken, Event
from cicscenario.engine.stopwatch import now
from cicscenario.files import open_in_place, write_whole
from cicscenario.printable import one_line
from cicscenario.report.jsonl import stamp
from cicscenario.report.words import line_of

_LINE_WRITTEN = Boundary("log.line")  # one line of the log
NAME = "run.log"
LARGEST = 4_000_000  #: bytes
_EARLIER = 1000  # lines that are kept until the run directory is known
_LINE = 2000  # characters of one line


class RunLog:
    """A listener that writes the log, from the moment that the run directory is taken. ``time`` gives the time of day.

    A log that cannot be written stops nothing: the state and the reports say more than it does.
    """

    def __init__(self, time: Callable[[], datetime] = now, largest: int = LARGEST) -> None:
        self._time = time
        self._largest = largest
        self._mutex = threading.Lock()
        self._earlier: deque[str] = deque(maxlen=_EARLIER)
        self._path: Path | None = None
        self._file: int | None = None
        self._size = 0

    def __call__(self, event: Event) -> None:
        line = f"error: {event.message}" if isinstance(event, CommandFailed) else line_of(event)
        with self._mutex, suppress(OSError):
            if isinstance(event, DirectoryTaken):
                self._open(Path(event.directory) / NAME)
            if line:
                self._write(f"{stamp(self._time())} {one_line(without_known(line))[:_LINE]}\n")

    def close(self) -> None:
        """Closes the file."""
        with self._mutex:
            self._close()

    def _open(self, path: Path) -> None:
        self._close()
        self._path = path
        self._file = open_in_place(path, append=True)
        self._size = os.fstat(self._file).st_size
        while self._earlier:
            self._write(self._earlier.popleft())

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, line: str) -> None:
        if self._file is None:
            self._earlier.append(line)
            return
        text = line.encode("utf-8", "backslashreplace")
        if self._size + len(text) > self._largest:
            self._halve()
        with _LINE_WRITTEN:
            os.write(self._file, text)
        self._size += len(text)

    def _halve(self) -> None:
        assert self._path is not None
        assert self._file is not None
        start = max(self._size - self._largest // 2, 0)
        kept = os.pread(self._file, self._largest, start).partition(b"\n")[2]
        write_whole(self._path, kept)
        self._close()
        self._file = open_in_place(self._path, append=True)
        self._size = len(kept)
