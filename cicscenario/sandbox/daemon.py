"""Daemons: background processes that keep running after their starter has ended. A file lock shows that one is running.

The starter takes an exclusive ``flock`` and passes the locked descriptor to the daemon, so the kernel releases the lock
when the daemon ends. The lock can never be stale, and a daemon is found again even when its starter was killed.
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
from cicscenario.files import open_in_place

_START = 60.0  # seconds within which a daemon must answer: the node has to read a long chain first
_STOP = 60.0  # seconds that a daemon has to save its data and exit after the stop signal
_KILL = 10.0  # seconds within which a daemon must be gone after SIGKILL
_POLL = 0.02  # seconds
#: A shell line that writes its process id and then becomes the daemon, which keeps that id. No daemon runs without a
#: written id. It writes through the descriptor, because another user may have no access to the file's path.
_WRITE_ID_AND_EXEC = 'echo $$ >"$0" && exec "$@"'


@dataclass(frozen=True)
class User:
    """Ids of the user and group that a daemon runs as when it refuses to run as root."""

    user: int
    group: int


@dataclass(frozen=True)
class Command:
    """How to start a daemon: command line, process environment, working folder and user. See ``Daemon.start``."""

    command: list[str]
    environment: dict[str, str]
    folder: Path | None = None
    user: User | None = None


def leave(process: "subprocess.Popen[bytes]") -> None:
    """Keeps Popen from warning that a process is still running, which its starter asks nothing of any more."""
    process.returncode = process.poll() or 0


class Daemon:
    """The process of service ``name``; its lock and its log are in ``folder``. ``stop_signal`` makes it exit."""

    def __init__(self, name: str, folder: Path, stop_signal: signal.Signals = signal.SIGTERM) -> None:
        self.name = name
        self._stop_signal = stop_signal
        self.log = folder / f"{name}.log"
        self._folder = folder
        self._lock = folder / f"{name}.lock"

    def pid(self) -> int | None:
        """The process id, or None when the daemon is not running."""
        while self._is_locked():
            if (text := self._lock.read_text("ascii")).endswith("\n"):
                return int(text)
            time.sleep(_POLL)  # the daemon is starting and has not written its id yet
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
        inherited: Sequence[int] = (),
    ) -> None:
        """Starts the daemon and waits until ``answers()`` is true. See ``launch`` and ``wait_until_up``."""
        self.wait_until_up(self.launch(command, environment, folder=folder, user=user, inherited=inherited), answers)

    def launch(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        folder: Path | None = None,
        user: User | None = None,
        inherited: Sequence[int] = (),
    ) -> "subprocess.Popen[bytes]":
        """Starts the daemon; ``wait_until_up`` or ``stop`` has to follow. It has the descriptors ``inherited`` open.

        The daemon must not be running, and the caller must make sure that nobody else starts it at the same time. Its
        working folder is ``folder``, by default the folder of its lock. It runs as ``user``; only root may give one.
        """
        descriptor = open_in_place(self._lock)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # waits while another process tests the lock
            os.ftruncate(descriptor, 0)
            if user:
                os.fchown(descriptor, user.user, user.group)  # the daemon writes its id into this file
            with os.fdopen(open_in_place(self.log), "wb") as log:
                log.truncate()
                process = subprocess.Popen(
                    ["/bin/sh", "-c", _WRITE_ID_AND_EXEC, f"/dev/fd/{descriptor}", *command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=(descriptor, *inherited),
                    env=environment,
                    cwd=folder or self._folder,
                    user=user.user if user else None,
                    group=user.group if user else None,
                    extra_groups=[] if user else None,
                )
        finally:
            os.close(descriptor)
        return process

    def wait_until_up(self, process: "subprocess.Popen[bytes]", answers: Callable[[], bool]) -> None:
        """Waits until ``answers()`` is true. Raises UnavailableError, with the end of the log, when the daemon ends or does not
        answer in time.
        """
        deadline = time.monotonic() + _START
        # One that has ended is not up: when its address answers, it is another program.
        while (code := process.poll()) is not None or not answers():
            if code is not None or time.monotonic() > deadline:
                ended = "did not answer" if code is None else f"ended with {code}"
                process.kill()
                process.wait()
                self._wait_until_gone(process.pid, _KILL)  # its child processes may hold the lock a moment longer
                raise UnavailableError(
                    f"the sandbox's {self.name} {ended} when it was started; the end of {self.log}:{self._log_tail()}"
                )
            time.sleep(_POLL)
        leave(process)

    def find(self, answers: Callable[[], bool]) -> bool:
        """Whether the daemon is running. Waits until ``answers()`` is true, because it may have been started just now.

        Raises UnavailableError when it is running and does not answer in time.
        """
        deadline = time.monotonic() + _START
        while (pid := self.pid()) is not None:
            if answers():
                return True
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"the sandbox's {self.name}, process {pid}, does not answer; the end of {self.log}:"
                    f"{self._log_tail()}",
                    hint="`cicscenario stack down` ends it; then start again",
                )
            time.sleep(_POLL)
        return False

    def _log_tail(self) -> str:
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []
        return "".join(f"\n  {line}" for line in lines[-8:]) or " nothing"

    def stop(self) -> bool:
        """Stops the daemon, with SIGKILL if the stop signal is not enough; says whether it was running.

        Raises UnavailableError when the process does not end.
        """
        pid = self.pid()
        if pid is None:
            return False
        for number, patience in ((self._stop_signal, _STOP), (signal.SIGKILL, _KILL)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if self._wait_until_gone(pid, patience):
                return True
        raise UnavailableError(f"the sandbox's {self.name}, process {pid}, does not end", hint=f"end process {pid}")

    def _wait_until_gone(self, pid: int, patience: float) -> bool:
        """Waits at most ``patience`` seconds for ``pid`` and its children to end; says whether they have ended."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):  # raised when another process started the daemon
                os.waitpid(pid, os.WNOHANG)
            if not self._is_locked():
                return True
            time.sleep(_POLL)
        return False
