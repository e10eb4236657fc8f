"""Starts the watchdog of a sandbox, and knows which sandboxes end with this process."""

import os
import sys
from pathlib import Path

from cicscenario.errors import UnavailableError
from cicscenario.sandbox import watchdog
from cicscenario.sandbox.daemon import Daemon
from cicscenario.sandbox.services import SERVICES
from cicscenario.shell import for_daemons

_owned: set[Path] = set()  # folders of sandboxes that end with this process


def end_with_this_process(home: Path) -> None:
    """From its next start on, the sandbox in ``home`` ends when this process has ended, in whatever way, and its data is deleted.

    Raises UnavailableError on a system that does not tell when a process ends.
    """
    if not hasattr(os, "pidfd_open"):
        raise UnavailableError("this system does not tell when a process ends", hint="Linux 5.3 or newer does")
    _owned.add((home / "sandbox").absolute())


def watchdog_of(folder: Path) -> Daemon:
    """The watchdog of the sandbox in ``folder``."""
    return Daemon(watchdog.NAME, folder)


def watch(folder: Path) -> None:
    """Starts what ends the daemons when ``folder`` is deleted, unless it is up."""
    daemon = watchdog_of(folder)
    if daemon.pid() is not None:
        return
    daemons = [f"{name}={service.abandon_signal:d}" for name, service in SERVICES.items()]
    command = [sys.executable, "-m", watchdog.__name__, str(folder), *daemons]
    # A descriptor stands for this process, also when its number is another one's later.
    owners = [os.pidfd_open(os.getpid())] if folder in _owned else []
    try:
        words = [*command, *(f"{watchdog.OWNER}={owner}" for owner in owners)]
        daemon.start(words, for_daemons(), lambda: True, inherited=owners)
    finally:
        for owner in owners:
            os.close(owner)
