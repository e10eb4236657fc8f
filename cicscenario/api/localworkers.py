"""Workers that a run starts on its own machine, and ends when it ends."""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from cicscenario.errors import InvalidError
from cicscenario.files import write_whole
from cicscenario.language import Environment, Secret, WorkersEnvironment
from cicscenario.shell import kept, variables
from cicscenario.workers.place import place_of

_PATIENCE, _TIMEOUT = 600.0, 5.0  # seconds; the defaults of the section `workers`
_END_WITHIN = 10  # seconds


@contextmanager
def with_workers(opened: AbstractContextManager[Environment], number: int) -> Iterator[Environment]:
    """The environment, and ``number`` workers of one thread each beside it, at its `workers` section.

    Without that section they are at the custodial engine's Redis, with a secret of this run. Raises InvalidError when there is
    neither.
    """
    with opened as environment, TemporaryDirectory(prefix="cicscenario-workers-") as folder:
        found = environment.workers or _beside_the_engine(environment, Path(folder))
        workers = [_start(found, environment) for _ in range(number)]
        try:
            yield replace(environment, workers=found)
        finally:
            for worker in workers:
                worker.kill()
            for worker in workers:
                worker.wait(_END_WITHIN)


def _beside_the_engine(environment: Environment, folder: Path) -> WorkersEnvironment:
    engine = environment.custodial
    if engine is None:
        raise InvalidError(
            f"--workers: {environment.path} has neither `workers` nor `custodial`, so there is no Redis for tasks",
            hint="`cicscenario explain environment.workers` shows what to add",
        )
    secret = folder / "secret"
    write_whole(secret, secrets.token_hex(32))
    return WorkersEnvironment(
        engine.broker, engine.user, engine.password, Secret(f"file:{secret}"), _PATIENCE, _TIMEOUT
    )


def _start(where: WorkersEnvironment, environment: Environment) -> "subprocess.Popen[bytes]":
    place = asdict(place_of(where, environment.ca))
    settings = place | {
        "ca": str(environment.ca) if environment.ca else None,
        "environment": str(environment.path),
        "variables": dict(variables),
        "threads": 1,
    }
    command = [sys.executable, "-m", "cicscenario.api.ownworker"]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=kept())
    assert worker.stdin is not None
    worker.stdin.write(json.dumps(settings).encode() + b"\n")
    worker.stdin.flush()
    return worker
