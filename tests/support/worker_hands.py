"""Workers that take a task when they are told to, and steps that wait for their results."""

import json
import threading
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

from cicscenario.workers import names
from cicscenario.workers.beats import beat
from cicscenario.workers.envelope import VERSION, Envelope
from cicscenario.workers.hands import Common, Services
from cicscenario.workers.place import WorkerPlace
from cicscenario.workers.pool import WorkerPool
from cicscenario.workers.worker import Worker
from tests.support.valkey import Valkey
from tests.support.waiting import eventually
from tests.support.worker_processes import LINEAGE, NO_SERVICES, SECRET


class Hand:
    """A worker that takes a task only when it is told to, in this thread."""

    def __init__(
        self,
        valkey: Valkey,
        services: Services = NO_SERVICES,
        *,
        sections: Sequence[str] = (),
        secret: str = SECRET,
        version: str = VERSION,
    ) -> None:
        self.valkey = valkey
        self.said: list[str] = []
        place = WorkerPlace(valkey.url, None, None, secret)
        self.worker = Worker(place, services, self.said.append, sections=sections, version=version)
        self.secret, self.version = secret, version

    def fetch(self, section: str | None = None) -> tuple[str, list[Any]]:
        """The next task, removed from the queue: its id and arguments. ``section``: one that needs it."""
        queue = names.queue(section)
        message = json.loads(eventually(lambda: self.valkey.client.rpop(queue), "waited for a task", 15))
        return message["headers"]["id"], json.loads(b64decode(message["body"]))[0]

    def do(self, section: str | None = None) -> tuple[str, list[Any]]:
        task, arguments = self.fetch(section)
        self.worker.work(task, *arguments)
        return task, arguments

    def beat(self) -> None:
        seal = Envelope(self.secret, "", self.version)
        beat(self.worker.broker, seal, self.worker.name, self.worker.activity, self.worker.sections)


class WaitingStep:
    """A step that waits for the results of some items, in a thread of its own."""

    def __init__(
        self,
        pool: WorkerPool,
        kind: str,
        common: Common,
        items: Sequence[Any],
        services: Services = NO_SERVICES,
    ) -> None:
        self.found: dict[int, Any] = {}
        self.times = 0
        self.error: BaseException | None = None
        self.told: list[str] = []
        pool.tell = self.told.append
        self._thread = threading.Thread(target=self._ask, args=(pool, kind, common, items, services), daemon=True)
        self._thread.start()

    def _ask(self, pool: WorkerPool, *asked: Any) -> None:
        try:
            for index, result in pool.each(LINEAGE, *asked):
                self.found[index] = result
                self.times += 1
        except BaseException as error:
            self.error = error

    def end(self) -> dict[int, Any]:
        """The results, when all are there; raises what was raised instead."""
        self._thread.join(20)
        assert not self._thread.is_alive()
        if self.error:
            raise self.error
        return self.found
