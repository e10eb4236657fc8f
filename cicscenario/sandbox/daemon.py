"""Daemons: processes that outlive whoever started them, and whose kernel lock says for how long.

The starter takes an exclusive ``flock`` and hands its descriptor to the daemon, so the lock lives exactly as long as
the daemon does. No record of it can be stale, and a killed starter's daemon is found again.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cicscenario.errors import UnavailableError

_START = 60.0  # seconds until a daemon must answer: a long chain has to be read first
_STOP = 60.0  # seconds that it has to save its data and end by itself
_KILL = 10.0  # seconds that the kernel has to end it
_POLL = 0.02  # seconds
#: Becomes the daemon after writing down the process id, so that there is no moment at which one is without the other.
#: It writes through the descriptor: another user may not be able to reach the file by its path.
_ANNOUNCED = 'echo $$ >"$0" && exec "$@"'


@dataclass(frozen=True)
class User:
    """Whom a daemon belongs to that refuses to be root's: ids of a user and a group."""

    user: int
    group: int


@dataclass(frozen=True)
class Command:
    """How to start a daemon: its words, process environment, working folder and user, as ``Daemon.start`` takes them."""

    command: list[str]
    environment: dict[str, str]
    folder: Path | None = None
    user: User | None = None


class Daemon:
    """A service called ``name`` with its lock and its log in ``folder``; ``end`` is the signal that it ends at."""

    def __init__(self, name: str, folder: Path, end: signal.Signals = signal.SIGTERM) -> None:
        self.name = name
        self._end = end
        self.log = folder / f"{name}.log"
        self._folder = folder
        self._lock = folder / f"{name}.lock"

    def pid(self) -> int | None:
        """The process, or None when it is down."""
        while self._is_locked():
            if (text := self._lock.read_text("ascii")).endswith("\n"):
                return int(text)
            time.sleep(_POLL)  # it is starting, and has not written its id yet
        return None

    def _is_locked(self) -> bool:
        try:
            descriptor = os.open(self._lock, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        answers: Callable[[], bool],
        *,
        folder: Path | None = None,
        user: User | None = None,
    ) -> None:
        """Starts it and waits until it ``answers``; raises UnavailableError with the end of its log otherwise.

        It must be down, and nobody else may be starting it: the caller sees to that. It works in ``folder`` (that of its
        lock if there is none), and becomes ``user``, which only root can ask for.
        """
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # waits for those who look whether it is held
            os.ftruncate(descriptor, 0)
            if user:
                os.fchown(descriptor, user.user, user.group)  # it writes its id there
            with self.log.open("wb") as log:
                process = subprocess.Popen(
                    ["/bin/sh", "-c", _ANNOUNCED, f"/dev/fd/{descriptor}", *command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=(descriptor,),
                    env=environment,
                    cwd=folder or self._folder,
                    user=user.user if user else None,
                    group=user.group if user else None,
                    extra_groups=[] if user else None,
                )
        finally:
            os.close(descriptor)
        self._wait_until_up(process, answers)

    def _wait_until_up(self, process: "subprocess.Popen[bytes]", answers: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START
        while not answers():
            if process.poll() is not None or time.monotonic() > deadline:
                ended = f"ended with {process.returncode}" if process.poll() is not None else "did not answer"
                process.kill()
                process.wait()
                self._is_released(process.pid, _KILL)  # children of its own may hold the lock for a moment longer
                raise UnavailableError(
                    f"the sandbox's {self.name} {ended} when it was started; the end of {self.log}:{self._last_words()}"
                )
            time.sleep(_POLL)
        process.returncode = 0  # it goes on without us, and nothing here waits for it

    def find(self, answers: Callable[[], bool]) -> bool:
        """Says whether it is up, and waits until it ``answers`` if somebody has only just started it.

        Raises UnavailableError when it stays silent.
        """
        deadline = time.monotonic() + _START
        while (pid := self.pid()) is not None:
            if answers():
                return True
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"the sandbox's {self.name}, process {pid}, does not answer; the end of {self.log}:"
                    f"{self._last_words()}",
                    hint="`cicscenario stack down` ends it; then start again",
                )
            time.sleep(_POLL)
        return False

    def _last_words(self) -> str:
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []
        return "".join(f"\n  {line}" for line in lines[-8:]) or " nothing"

    def stop(self) -> bool:
        """Ends it, at first kindly; says whether it was up. Raises UnavailableError when it cannot be ended."""
        pid = self.pid()
        if pid is None:
            return False
        for number, patience in ((self._end, _STOP), (signal.SIGKILL, _KILL)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if self._is_released(pid, patience):
                return True
        raise UnavailableError(f"the sandbox's {self.name}, process {pid}, does not end", hint=f"end process {pid}")

    def _is_released(self, pid: int, patience: float) -> bool:
        """Waits until ``pid`` and its children are gone, ``patience`` seconds at most, and says whether they are."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # when this process started it
            if not self._is_locked():
                return True
            time.sleep(_POLL)
        return False
