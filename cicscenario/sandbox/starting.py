"""Starts services in groups: those that need nothing of each other start at the same time.

A Python program needs most of its start for loading modules, each on a processor of its own.
"""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cicscenario.sandbox.daemon import Daemon
from cicscenario.sandbox.record import Record
from cicscenario.sandbox.services import SERVICES, waves
from cicscenario.sandbox.services.base import Site
from cicscenario.sandbox.space import full_disk_told

#: Is called when a service starts, with its name, its number among so many services, and the seconds it took: None at first.
Progress = Callable[[str, int, int, float | None], None]


@dataclass
class Starting:
    """The start of ``services`` of the sandbox in ``folder``. ``launch`` gives the process, or None for one that is up."""

    folder: Path
    services: Sequence[str]
    record: Record
    daemon: Callable[[str], Daemon]
    launch: Callable[[str], "subprocess.Popen[bytes] | None"]
    progress: Progress
    started: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)  #: those that were not up

    def start(self) -> None:
        """Starts all, and waits until they answer and have what must exist in them."""
        for wave in waves(self.services):
            began = time.monotonic()
            for name in wave:
                self._tell(name, None)
                with full_disk_told(self.folder, name, self.daemon(name).log):
                    if process := self.launch(name):
                        self.started[name] = process
            for name in wave:
                self._finish(name)
                self._tell(name, time.monotonic() - began)

    def undo(self) -> None:
        """Stops those that were started."""
        for name, process in reversed(self.started.items()):
            self.daemon(name).stop()
            process.returncode = process.poll() or 0  # keeps Popen from warning that the process is still running

    def _finish(self, name: str) -> None:
        service, site, daemon = SERVICES[name], Site(self.folder, self.record), self.daemon(name)
        with full_disk_told(self.folder, name, daemon.log):
            if name in self.started:
                daemon.wait_until_up(self.started[name], lambda: service.answers(site))
            service.provision(site)

    def _tell(self, name: str, seconds: float | None) -> None:
        self.progress(name, self.services.index(name) + 1, len(self.services), seconds)
