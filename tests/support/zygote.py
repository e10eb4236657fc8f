"""Commands in processes that begin with everything imported: a process forks for each, so a kill costs no start.

``python -m tests.support.zygote`` reads one JSON request a line and answers with one line; ``Zygote`` is its client.
"""

import gc
import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from cicscenario.boundaries import FAILPOINT, observe
from cicscenario.cli.failpoint import names

KILLED = -int(signal.SIGKILL)
_LOOK = 0.01  # seconds between looks at the process


@dataclass(frozen=True)
class Command:
    """A command of ``cicscenario``. ``said`` is the file that gets its output.

    ``failpoint`` is a point at which it is killed; ``after`` is a number of seconds after which it is. ``passed`` is a file
    that gets a line for each point that it passes. It is killed, and has hung, when it lasts ``deadline`` seconds.
    """

    arguments: tuple[str, ...]
    home: str
    said: str
    failpoint: str = ""
    after: float = 0
    passed: str = ""
    deadline: float = 240


@dataclass(frozen=True)
class End:
    """How it ended: the exit code, or minus the signal; ``seconds`` is how long it lasted."""

    code: int
    seconds: float
    hung: bool
    said: str = field(default="", repr=False)

    @property
    def killed(self) -> bool:
        return self.code == KILLED and not self.hung


class Zygote:
    """One process that forks. Use it as a context manager; one command at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.zygote"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def run(self, command: Command) -> End:
        """Runs a command to its end, or kills it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asdict(command)) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return End(**answer, said=Path(command.said).read_text("utf-8", "replace"))


def _serve() -> None:
    names()  # imports everything
    import cicscenario.chain.discovery  # noqa: F401  # and what the commands import later

    gc.freeze()  # the children share this memory
    for line in sys.stdin:
        request = json.loads(line)
        command = Command(**(request | {"arguments": tuple(request["arguments"])}))
        print(json.dumps(_one(command)), flush=True)


def _one(command: Command) -> dict[str, Any]:
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _child(command)
    pidfd, limit = os.pidfd_open(pid), command.after or command.deadline
    try:
        ready, _, _ = select.select([pidfd], [], [], limit)
        if not ready:
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(pidfd)
    _, status = os.waitpid(pid, 0)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": time.monotonic() - began,
        "hung": not ready and not command.after,
    }


def _child(command: Command) -> None:
    """The forked process: has the streams, variables and arguments of a command, and becomes it."""
    code = 70
    try:
        said = os.open(command.said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, number in ((null, 0), (said, 1), (said, 2)):
            os.dup2(source, number)
        os.environ |= {"CICSCENARIO_HOME": command.home, "COLUMNS": "120"}
        os.environ.pop(FAILPOINT, None)
        if command.failpoint:
            os.environ[FAILPOINT] = command.failpoint
        if command.passed:
            _write_down_what_is_passed(command.passed)
        sys.argv = ["cicscenario", *command.arguments]
        sys.stdin = open(0)  # noqa: SIM115  # the one of this process is half read
        from cicscenario.cli.app import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _write_down_what_is_passed(path: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    observe(lambda name, side: os.write(file, f"{name}:{side}\n".encode()) and None)


if __name__ == "__main__":
    _serve()
