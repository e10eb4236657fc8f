"""One worker process: a Celery worker that takes one task at a time, and dies with the engine that started it.

A task is acknowledged when it is done. What a killed worker had taken is put back into the queue when the next one begins,
so every task must bear being run twice.
"""

import logging
import os
import signal
import socket
import sys
import threading
import uuid
from typing import Any

import celery
import celery._state
import psycopg2
from celery.signals import worker_ready
from redis import Redis

from cicscenario.sandbox.custodial.room import EngineContext
from cicscenario.sandbox.custodial.settings import EngineSettings, read_settings
from cicscenario.sandbox.custodial.transport import broker_url, put_back

_PREFETCH = 50  # tasks
_PATIENCE = 30  # attempts, a second apart, to reach the database again
_log = logging.getLogger(__name__)


class EngineTask(celery.Task):  # type: ignore[misc]
    """Runs a task's body under the fault switches, and again when the database had gone away."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        room: EngineContext = self.app.room
        faults = room.settings.faults
        if faults.die_after:
            _die_when_it_is_time(room.settings)
        if self.name in faults.fail_task:
            raise RuntimeError(f"{self.name} fails because the sandbox was asked to let it fail")
        self._name_callbacks()
        for attempt in range(_PATIENCE):
            try:
                return super().__call__(*args, **kwargs)
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                room.reconnect()
                if attempt + 1 == _PATIENCE:
                    raise
                threading.Event().wait(1)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _name_callbacks(self) -> None:
        """Gives the tasks that follow ids that depend on this one's: run twice, it sends the same tasks, not others."""
        for number, callback in enumerate(self.request.callbacks or ()):
            callback["options"].setdefault("task_id", str(uuid.uuid5(uuid.UUID(self.request.id), str(number))))


def _die_when_it_is_time(settings: EngineSettings) -> None:
    count = Redis.from_url(settings.broker).incr(tasks_key(settings.queue))
    if count > settings.faults.die_after:
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


def tasks_key(queue: str) -> str:
    """Where in Redis the tasks are counted that die-after waits for."""
    return f"{queue}.engine.tasks"


def make_app(settings: EngineSettings, number: int) -> celery.Celery:
    """The Celery application of worker ``number`` with all tasks."""
    from cicscenario.sandbox.custodial import tasks, token_tasks

    app = celery.Celery("cic-eth", broker=broker_url(settings.broker), backend=settings.broker, task_cls=EngineTask)
    app.conf.update(
        task_default_queue=settings.queue,
        task_acks_late=True,
        worker_prefetch_multiplier=_PREFETCH,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        result_expires=86_400,
        broker_transport_options={"taken_key": taken_key(settings, number)},
    )
    app.room = EngineContext(settings)
    tasks.add_to(app)
    token_tasks.add_to(app)
    return app


def taken_key(settings: EngineSettings, number: int) -> str:
    """Where in Redis the tasks are that worker ``number`` has taken."""
    return f"{settings.queue}.worker{number}.taken"


def _watch(engine: socket.socket) -> None:
    """Ends this process as soon as the engine's end of the line is closed."""
    engine.recv(1)
    os._exit(1)


def main(words: list[str]) -> None:
    """``words`` are the worker's number, the descriptor of its line to the engine, and the engine's own command line."""
    number, line, settings = int(words[0]), socket.socket(fileno=int(words[1])), read_settings(words[2:])
    logging.basicConfig(level=logging.WARNING, format=f"worker {number}: %(levelname)s %(name)s: %(message)s")
    app = make_app(settings, number)
    if not line.recv(1):  # the engine says when tables and roles are there
        return
    threading.Thread(target=_watch, args=(line,), daemon=True).start()
    if count := put_back(settings.broker, taken_key(settings, number), settings.queue):
        _log.warning("takes up %d tasks again", count)
    # Tasks here wait for no other task's result: nobody has to subscribe to the results of those that they send.
    celery._state._set_task_join_will_block(True)

    def ready(**_: Any) -> None:
        line.sendall(b"!")

    worker_ready.connect(ready, weak=False)
    app.worker_main(
        [
            "worker", "--pool", "solo", "--queues", settings.queue, "--hostname", f"cic-eth-{number}@%h",
            "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING",
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
