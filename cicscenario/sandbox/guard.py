"""Starts the watchdog of a sandbox, and knows which sandboxes end with this process."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cicscenario.errors import UnavailableError
from cicscenario.sandbox import watchdog
from cicscenario.sandbox.daemon import Daemon, leave
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


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Starts what ends the daemons when ``folder`` is deleted, unless it is up. It has begun when the block has ended.

    The block starts the daemons meanwhile. Raises UnavailableError when the watchdog has ended instead.
    """
    daemon = watchdog_of(folder)
    if daemon.pid() is not None:
        yield
        return
    begun, to_tell = os.pipe()
    try:
        process = _launched(daemon, folder, to_tell)
        try:
            yield
        except BaseException:
            leave(process)
            raise
        daemon.wait_until_up(process, lambda: _is_told(begun))
    finally:
        os.close(begun)


def _launched(daemon: Daemon, folder: Path, to_tell: int) -> "subprocess.Popen[bytes]":
    """The watchdog's process, which has the descriptor ``to_tell`` from now on: it is closed here."""
    daemons = [f"{name}={service.abandon_signal:d}" for name, service in SERVICES.items()]
    # A descriptor stands for this process, also when its number is another one's later.
    owners = [os.pidfd_open(os.getpid())] if folder in _owned else []
    options = [f"{watchdog.BEGUN}={to_tell}", *(f"{watchdog.OWNER}={owner}" for owner in owners)]
    command = [sys.executable, "-m", watchdog.__name__, str(folder), *daemons, *options]
    inherited = [to_tell, *owners]
    try:
        return daemon.launch(command, for_daemons(), inherited=inherited)
    finally:
        for descriptor in inherited:
            os.close(descriptor)


def _is_told(begun: int) -> bool:
    """Whether something was written to the other end of a pipe. A process that ends closes it, too, and has written nothing."""
    return bool(select.select([begun], [], [], 0)[0]) and os.read(begun, 1) != b""
