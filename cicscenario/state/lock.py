"""Kernel locks with a named owner: freed by the kernel when their holder dies, so a killed run leaves nothing to clean up."""

import fcntl
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from cicscenario.errors import StateRefusedError


class FileLock:
    """An exclusive ``flock`` on ``path``; the file names its owner for whoever comes second.

    Raises StateRefusedError on entering when another process holds it. The file itself means nothing and may stay.
    """

    def __init__(self, path: Path, what: str) -> None:
        self._path = path
        self._what = what
        self._descriptor = -1

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._descriptor, 4096, 0).decode("utf-8", "replace").strip() or "an unknown process"
            os.close(self._descriptor)
            raise StateRefusedError(
                f"{self._what} is in use: {self._path} is locked by {owner}",
                hint="wait for that run to end, or stop it; nothing has to be removed by hand",
            ) from None
        owner = json.dumps(
            {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
        )
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, owner.encode(), 0)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
