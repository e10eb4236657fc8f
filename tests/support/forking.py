"""The command line as a user runs it, in processes that are forked from one that has everything loaded.

A command that is started anew takes a second to load its libraries; one that is forked takes none. Run as a program, this
module is the process that forks: it reads a line of JSON for each command, and answers with lines of JSON.
"""

import gc
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self


@dataclass
class ForkedCommand:
    """A command that was started. ``returncode`` is as of subprocess.Popen: None while it runs, negative for a signal."""

    pid: int
    _out: Path
    _err: Path
    returncode: int | None = None
    _ended: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def stdout(self) -> str:
        return self._out.read_text("utf-8", "replace")

    @property
    def stderr(self) -> str:
        return self._err.read_text("utf-8", "replace")

    def wait(self, patience: float) -> bool:
        """Whether it has ended within ``patience`` seconds."""
        return self._ended.wait(patience)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal; nothing happens when it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)


class Forking:
    """Entered, it starts commands. Safe for use by many threads. ``module`` is what has ``main``."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(tempfile.mkdtemp(prefix="forking-"))
        self._started: dict[int, ForkedCommand] = {}
        self._mutex = threading.Lock()
        self._number = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._born: dict[int, threading.Event] = {}
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def start(self, home: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> ForkedCommand:
        """Starts ``cicscenario`` with these arguments, and with further environment variables."""
        with self._mutex:
            number = self._number = self._number + 1
            out, err = self._folder / f"{number}.out", self._folder / f"{number}.err"
            command = self._started[number] = ForkedCommand(0, out, err)
            born = self._born[number] = threading.Event()
            variables = os.environ | {"CICSCENARIO_HOME": str(home), "COLUMNS": "120"} | dict(environment or {})
            order = {"number": number, "argv": arguments, "env": variables, "out": str(out), "err": str(err)}
            assert self._process.stdin
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        assert born.wait(60), "the process that forks does not answer"
        return command

    def run(self, home: Path, *arguments: str, patience: float = 240) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end, as ``commands.cicscenario``; it is killed when ``patience`` is over."""
        command = self.start(home, *arguments)
        if not command.wait(patience):
            command.kill()
            assert command.wait(20)
            raise subprocess.TimeoutExpired(list(arguments), patience, command.stdout, command.stderr)
        assert command.returncode is not None
        return subprocess.CompletedProcess(list(arguments), command.returncode, command.stdout, command.stderr)

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            told: dict[str, Any] = json.loads(line)
            command = self._started[told["number"]]
            if "pid" in told:
                command.pid = told["pid"]
                self._born.pop(told["number"]).set()
            else:
                command.returncode = told["code"]
                command._ended.set()
                del self._started[told["number"]]

    def close(self) -> None:
        """Ends the commands that still run, too."""
        with self._mutex:
            for command in list(self._started.values()):
                command.kill()
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)
        self._thread.join(5)
        assert self._process.stdout
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# --- the process that forks ---------------------------------------------------------------------------------------------


def _load_everything() -> None:
    import importlib
    import pkgutil

    import cicscenario

    for module in pkgutil.walk_packages(cicscenario.__path__, "cicscenario."):
        if not module.name.startswith("cicscenario.sandbox") and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("web3", "faker", "psycopg2", "redis", "kombu.transport.redis", "pysequoia", "bcrypt", "phonenumbers"):
        importlib.import_module(name)
    from cicscenario.resources import load_schema

    for schema in ("scenario-v1", "environment-v1"):
        load_schema(schema)
    assert threading.active_count() == 1, "a process with threads must not fork"
    gc.collect()
    gc.freeze()  # else each child copies every page at its first collection


def _serve() -> dict[str, Any] | None:
    """Forks for each order. Returns the order in the process that is to carry it out, and None at the end."""
    children: dict[int, int] = {}
    answers = os.dup(1)
    reading = b""
    while True:
        if select.select([0], [], [], 0.005 if children else None)[0]:
            part = os.read(0, 65536)
            if not part and not children:
                return None
            if not part:
                time.sleep(0.005)
            reading += part
        *lines, reading = reading.split(b"\n")
        for line in lines:
            order: dict[str, Any] = json.loads(line)
            if not (pid := os.fork()):
                os.close(answers)
                return order
            children[pid] = order["number"]
            os.write(answers, json.dumps({"number": order["number"], "pid": pid}).encode() + b"\n")
        while children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            told = {"number": children.pop(pid), "code": os.waitstatus_to_exitcode(status)}
            os.write(answers, json.dumps(told).encode() + b"\n")


def _carry_out(order: dict[str, Any]) -> None:
    for descriptor, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, order["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, order["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = ["cicscenario", *order["argv"]]
    from cicscenario.cli.app import main

    main()


if __name__ == "__main__":
    _load_everything()
    if (taken := _serve()) is not None:
        _carry_out(taken)
