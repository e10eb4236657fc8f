"""Workers as processes of their own, beside a real Valkey."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cicscenario.services.custodial.broker import Broker
from cicscenario.workers import names
from cicscenario.workers.pool import WorkerPool
from tests.support.valkey import Valkey

SECRET = "d5" * 32
NO_SERVICES: Any = SimpleNamespace()
LINEAGE = "0123456789abcdef"
PINS = {"scheme": "bcrypt", "cost": 4, "pepper": None}
ENVIRONMENT = "version: 1\nname: workers\nworkers: {{broker: '{url}', secret: 'file:secret', patience: {patience}}}\n"


def environment_file(folder: Path, url: str, *, secret: str = SECRET, patience: float = 60, more: str = "") -> Path:
    """An environment file with a `workers` section, and its secret beside it."""
    folder.mkdir(exist_ok=True)
    (folder / "secret").write_text(secret)
    path = folder / "environment.yaml"
    path.write_text(ENVIRONMENT.format(url=url, patience=patience) + more)
    return path


def start_worker(environment: Path, *more: str, threads: int = 1) -> "subprocess.Popen[bytes]":
    """``cicscenario worker``; its lines go to ``worker.log`` beside the environment file."""
    arguments = [sys.executable, "-m", "cicscenario", "worker", "--env", str(environment), "--threads", str(threads)]
    with (environment.parent / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [*arguments, *more], stdout=log, stderr=log, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )


@contextmanager
def working(environment: Path, number: int) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """So many workers. Those that are in the list at the end are killed."""
    workers = [start_worker(environment) for _ in range(number)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.wait(20)


@contextmanager
def pool_at(
    valkey: Valkey, *, secret: str = SECRET, patience: float = 60, stopping: threading.Event | None = None
) -> Iterator[WorkerPool]:
    """The side of a run. ``told`` of its ``tell`` is what the user was told."""
    broker = Broker(valkey.url, names.QUEUE, patience=patience, stopping=stopping, section="workers")
    pool = WorkerPool(broker, secret, patience=patience, stopping=stopping)
    try:
        yield pool
    finally:
        pool.close()
