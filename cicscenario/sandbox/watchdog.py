"""``python -m cicscenario.sandbox.watchdog``: ends a sandbox's daemons when its folder is deleted, or when its owner has ended.

One for each sandbox, beside its daemons; ``stack down`` ends it. It knows a daemon by its lock (see ``daemon.py``), which it
keeps open: the kernel then tells that the file has been deleted. A folder that was moved is left alone. It imports little,
since it is there as long as the sandbox is.
"""

import fcntl
import os
import select
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cicscenario.sandbox.outside import delete_outside, outside

NAME = "watchdog"
#: Option: the descriptor of a process. When it has ended, the sandbox ends, and its folder is deleted.
OWNER = "--owner"
#: Option: the descriptor of a pipe, to which a byte is written when the watchdog has begun.
BEGUN = "--begun"
_INTERVAL = 0.5  # seconds between looks
_SOON = 0.02  # seconds between looks while they end
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
    """Watches the daemons of ``folder`` by name; ``signals`` are those that end them when their data is gone.

    ``owner`` is the descriptor of a process (see pidfd_open(2)), or None: nobody's end is waited for.
    """

    folder: Path
    signals: dict[str, int]
    owner: int | None = None
    _watched: dict[str, _Watched] = field(default_factory=dict)
    _outside: Path | None = None

    def run(self) -> None:
        """Returns when the folder is deleted, or the owner has ended, and the daemons have ended."""
        try:
            own = os.open(self.folder / f"{NAME}.lock", os.O_RDONLY)
        except FileNotFoundError:
            return
        while True:
            deleted, abandoned = os.fstat(own).st_nlink == 0, self._is_abandoned(0)
            starting = False
            if self._is_here(own):
                starting = self._notice_started()
                self._outside = outside(self.folder) or self._outside
            self._end_deleted(abandoned=abandoned)
            if (deleted or abandoned) and not self._watched and not starting:
                break
            if abandoned:
                time.sleep(_SOON)
            else:
                self._is_abandoned(_INTERVAL)
        if abandoned and self._is_here(own):
            shutil.rmtree(self.folder, ignore_errors=True)
        if self._outside:
            delete_outside(self._outside)

    def _is_abandoned(self, patience: float) -> bool:
        """Whether the owner has ended. Waits for that, at most ``patience`` seconds."""
        if self.owner is None:
            time.sleep(patience)
            return False
        return bool(select.select([self.owner], [], [], patience)[0])

    def _is_here(self, own: int) -> bool:
        """Whether the folder is still at its place: when it was moved, another sandbox may be there."""
        try:
            return os.path.samestat(os.fstat(own), (self.folder / f"{NAME}.lock").stat())
        except OSError:
            return False

    def _end_deleted(self, *, abandoned: bool) -> None:
        """Ends the daemons whose locks are deleted, or all that are ``abandoned``, and forgets those that have ended."""
        for name, watched in list(self._watched.items()):
            if not watched.is_running():
                os.close(watched.lock)
                del self._watched[name]
            elif abandoned or watched.is_deleted():
                watched.end(self.signals[name])

    def _notice_started(self) -> bool:
        """Says whether one is starting, which is not watched yet."""
        starting = [self._is_starting(name) for name in self.signals.keys() - self._watched.keys()]
        return any(starting)

    def _is_starting(self, name: str) -> bool:
        """Watches a daemon if it runs. Says whether it is just starting, and has to be looked at again."""
        try:
            lock = os.open(self.folder / f"{name}.lock", os.O_RDONLY)
        except OSError:  # it was never started, or the folder is gone
            return False
        locked, text = _is_locked(lock), os.read(lock, 32)
        if locked and text.endswith(b"\n"):
            self._watched[name] = _Watched(lock, int(text))
            return False
        os.close(lock)
        return locked


def main() -> None:
    """The arguments: the sandbox's folder, for each of its daemons ``NAME=SIGNAL``, and the options if it has any."""
    folder, *words = sys.argv[1:]
    numbers = {name: int(number) for name, _, number in (word.partition("=") for word in words)}
    owner, begun = numbers.pop(OWNER, None), numbers.pop(BEGUN, None)
    if begun is not None:
        with suppress(BrokenPipeError):  # the starter has ended meanwhile
            os.write(begun, b"\n")
        os.close(begun)
    _Watchdog(Path(folder), numbers, owner).run()


if __name__ == "__main__":
    main()
