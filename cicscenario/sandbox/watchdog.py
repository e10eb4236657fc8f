"""``python -m cicscenario.sandbox.watchdog``: ends a sandbox's daemons when its folder is deleted.

One for each sandbox, beside its daemons; ``stack down`` ends it. It knows a daemon by its lock (see ``daemon.py``), which it
keeps open: the kernel then tells that the file has been deleted. A folder that was moved is left alone. It imports little,
since it is there as long as the sandbox is.
"""

import fcntl
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cicscenario.sandbox.outside import delete_outside, outside

NAME = "watchdog"
_INTERVAL = 0.5  # seconds between looks
_GRACE = 5.0  # seconds that a daemon has to end after its signal, before it is killed


@dataclass
class _Watched:
    """A daemon that is running: the descriptor of its lock, and its process id."""

    lock: int
    pid: int
    asked: float | None = None  #: when it was asked to end

    def is_deleted(self) -> bool:
        return os.fstat(self.lock).st_nlink == 0

    def is_running(self) -> bool:
        return _is_locked(self.lock)

    def end(self, number: int) -> None:
        """Sends the signal ``number``, once, and SIGKILL after some seconds."""
        now = time.monotonic()
        with suppress(ProcessLookupError):
            if self.asked is None:
                self.asked = now
                os.kill(self.pid, number)
            if number == signal.SIGKILL or now - self.asked > _GRACE:
                os.killpg(self.pid, signal.SIGKILL)  # each daemon leads a group of its own


def _is_locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(lock, fcntl.LOCK_UN)
    return False


@dataclass
class _Watchdog:
    """Watches the daemons of ``folder`` by name; ``signals`` are those that end them when their data is gone."""

    folder: Path
    signals: dict[str, int]
    _watched: dict[str, _Watched] = field(default_factory=dict)
    _outside: Path | None = None

    def run(self) -> None:
        """Returns when the folder is deleted, and its daemons have ended."""
        try:
            own = os.open(self.folder / f"{NAME}.lock", os.O_RDONLY)
        except FileNotFoundError:
            return
        while True:
            deleted = os.fstat(own).st_nlink == 0
            self._end_deleted()
            if deleted and not self._watched:
                break
            if self._is_here(own):
                self._notice_started()
                self._outside = outside(self.folder) or self._outside
            time.sleep(_INTERVAL)
        if self._outside:
            delete_outside(self._outside)

    def _is_here(self, own: int) -> bool:
        """Whether the folder is still at its place: when it was moved, another sandbox may be there."""
        try:
            return os.path.samestat(os.fstat(own), (self.folder / f"{NAME}.lock").stat())
        except OSError:
            return False

    def _end_deleted(self) -> None:
        """Ends the daemons whose locks are deleted, and forgets those that have ended."""
        for name, watched in list(self._watched.items()):
            if not watched.is_running():
                os.close(watched.lock)
                del self._watched[name]
            elif watched.is_deleted():
                watched.end(self.signals[name])

    def _notice_started(self) -> None:
        for name in self.signals.keys() - self._watched.keys():
            self._notice(name)

    def _notice(self, name: str) -> None:
        try:
            lock = os.open(self.folder / f"{name}.lock", os.O_RDONLY)
        except OSError:  # it was never started, or the folder is gone
            return
        text = os.read(lock, 32)
        if _is_locked(lock) and text.endswith(b"\n"):  # without a line end it is starting, and is looked at again
            self._watched[name] = _Watched(lock, int(text))
        else:
            os.close(lock)


def main() -> None:
    """The arguments: the sandbox's folder, and for each of its daemons ``NAME=SIGNAL``."""
    folder, *daemons = sys.argv[1:]
    pairs = (daemon.partition("=") for daemon in daemons)
    _Watchdog(Path(folder), {name: int(number) for name, _, number in pairs}).run()


if __name__ == "__main__":
    main()
