"""Starts services in groups: those of a group need nothing of each other, and the next group needs what is up then.

A Python program needs most of its start for loading modules, each on a processor of its own. So the programs of later groups
are started at once, too, if their command lines are known: they load their modules, and wait (``process.wait_for_others``).
"""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cicscenario.sandbox.daemon import Daemon, leave
from cicscenario.sandbox.record import Record
from cicscenario.sandbox.services import SERVICES, waves
from cicscenario.sandbox.services.base import Site
from cicscenario.sandbox.space import full_disk_told

#: Is called with a service's name, its number among so many services, and the seconds that its start took: None while it is
#: what all others wait for. Never called for a service that is up already.
Progress = Callable[[str, int, int, float | None], None]


def silent(name: str, number: int, total: int, seconds: float | None) -> None:
    """Tells nobody."""


@dataclass
class Starting:
    """The start of ``services`` of the sandbox in ``folder``.

    ``launch`` starts the program of one and gives its process, or None if it is up. The program is given the reading end of a
    pipe, if it has to wait until the writing end is closed.
    """

    folder: Path
    services: Sequence[str]
    record: Record
    daemon: Callable[[str], Daemon]
    launch: Callable[[str, int | None], "subprocess.Popen[bytes] | None"]
    progress: Progress
    started: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)  #: those that were not up
    _began: dict[str, float] = field(default_factory=dict)
    _held: dict[str, int] = field(default_factory=dict)  #: the writing ends of those that wait

    def start(self) -> None:
        """Starts all, and waits until they answer and have what must exist in them."""
        first, *later = waves(self.services) or [[]]
        self._launch(first, held=False)
        if self.record.registry:  # else nobody knows yet what to tell them
            for wave in later:  # one that runs is looked at when those that it needs are up
                self._launch([name for name in wave if self.daemon(name).pid() is None], held=True)
        for wave in (first, *later):
            self._launch([name for name in wave if name not in self._began], held=False)
            for name in wave:
                self._release(name)
            for name in wave:
                self._finish(name)

    def undo(self) -> None:
        """Stops those that were started."""
        for name, process in reversed(self.started.items()):
            self.daemon(name).stop()
            leave(process)
        for name in list(self._held):
            self._release(name)

    def _launch(self, names: Sequence[str], *, held: bool) -> None:
        for name in names:
            self._began[name] = time.monotonic()
            if self.daemon(name).pid() is None:
                self._tell(name, None)
            with full_disk_told(self.folder, name, self.daemon(name).log):
                process = self._launch_held(name) if held else self.launch(name, None)
            if process:
                self.started[name] = process

    def _launch_held(self, name: str) -> "subprocess.Popen[bytes] | None":
        reading, self._held[name] = os.pipe()
        try:
            return self.launch(name, reading)
        finally:
            os.close(reading)

    def _release(self, name: str) -> None:
        if (writing := self._held.pop(name, None)) is not None:
            os.close(writing)
            self._began[name] = time.monotonic()  # before, it waited for others

    def _finish(self, name: str) -> None:
        """Waits until a service answers and has what must exist in it. Those that are up are not told of."""
        service, site, daemon = SERVICES[name], Site(self.folder, self.record), self.daemon(name)
        process = self.started.get(name)
        if process:
            self._tell(name, None)  # again: others have been launched since, and this one is waited for
        with full_disk_told(self.folder, name, daemon.log):
            if process:
                daemon.wait_until_up(process, lambda: service.answers(site))
            service.provision(site)
        if process:
            self._tell(name, time.monotonic() - self._began[name])

    def _tell(self, name: str, seconds: float | None) -> None:
        self.progress(name, self.services.index(name) + 1, len(self.services), seconds)
