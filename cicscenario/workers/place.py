"""Where workers and runs meet: a Redis, and the secret that they share."""

import threading
from dataclasses import dataclass
from pathlib import Path

from cicscenario.language import WorkersEnvironment
from cicscenario.services.custodial.broker import Broker
from cicscenario.workers import names


@dataclass(frozen=True)
class WorkerPlace:
    """Where tasks are, and the secret that workers share with runs. ``timeout`` and ``patience`` are seconds."""

    broker: str
    user: str | None
    password: str | None
    secret: str
    ca: Path | None = None
    timeout: float = 5.0
    patience: float = 600.0

    def connect(self, stopping: threading.Event | None = None) -> Broker:
        """The queue of tasks. Nothing is sent yet."""
        return Broker(
            self.broker,
            names.QUEUE,
            timeout=self.timeout,
            patience=self.patience,
            stopping=stopping,
            user=self.user,
            password=self.password,
            ca=self.ca,
            section="workers",
        )


def place_of(where: WorkersEnvironment, ca: Path | None) -> WorkerPlace:
    """The place that an environment names."""
    return WorkerPlace(
        broker=where.broker,
        user=where.user,
        password=where.password.reveal() if where.password else None,
        secret=where.secret.reveal(),
        ca=ca,
        timeout=where.timeout,
        patience=where.patience,
    )
