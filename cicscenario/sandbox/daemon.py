"""Daemons: processes that outlive whoever started them, and whose kernel lock says for how long.

The starter takes an exclusive ``flock`` and hands its descriptor to the daemon, so the lock lives exactly as long as
the daemon does. No pid file can be stale, and a killed runner's daemons are found again.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cicscenario.errors import UnavailableError

_START = 30.0  # seconds until a daemon must answer
_STOP = 10.0  # seconds that it has to end by itself


class Daemon:
    """A service called ``name`` with its files in ``folder``."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._lock = folder / f"{name}.lock"
        self.log = folder / f"{name}.log"

    def pid(self) -> int | None:
        """The process, or None when it is down."""
        try:
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(json.loads(os.pread(descriptor, 1000, 0) or b'{"pid": 0}')["pid"])
        finally:
            os.close(descriptor)
        return None

    def start(
        self, command: Sequence[str], answers: Callable[[], bool], environment: Mapping[str, str] | None = None
    ) -> None:
        """Starts it and waits until it ``answers``; raises UnavailableError with the end of its log otherwise."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with self.log.open("ab") as log:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=(descriptor,),
                    env=None if environment is None else dict(environment),
                )
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps({"pid": process.pid}).encode(), 0)
        finally:
            os.close(descriptor)
        self._wait_for(process, answers)

    def _wait_for(self, process: "subprocess.Popen[bytes]", answers: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START
        while not answers():
            ended = process.poll() is not None
            if ended or time.monotonic() > deadline:
                if not ended:
                    process.kill()
                    process.wait()
                last = self.log.read_text("utf-8", "replace").splitlines()[-8:]
                raise UnavailableError(
                    f"the sandbox's {self.name} did not start; the end of {self.log}:\n  " + "\n  ".join(last)
                )
            time.sleep(0.02)
        # It goes on without us: tell subprocess that nobody is going to wait for it.
        process.returncode = 0

    def stop(self) -> bool:
        """Ends it, at first kindly; says whether it was up."""
        pid = self.pid()
        if not pid:
            return False
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + _STOP
            while time.monotonic() < deadline:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)  # when it is our own child
                if self.pid() is None:
                    return True
                time.sleep(0.02)
        raise UnavailableError(f"the sandbox's {self.name} (process {pid}) does not end")
