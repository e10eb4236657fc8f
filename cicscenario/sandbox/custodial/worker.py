"""A worker process: a Celery worker that runs one task at a time, and ends when the engine that started it ends.

A task is acknowledged when it is done. The tasks that a killed worker had taken are put back into the queue when its
successor starts, so a task may run twice, and every task must allow that.
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

from cicscenario.retry import Attempts
from cicscenario.sandbox.custodial.context import EngineContext
from cicscenario.sandbox.custodial.settings import EngineSettings, read_settings
from cicscenario.sandbox.custodial.transport import broker_url, put_back

_PREFETCH = 50  # tasks
_PAUSES = (0.0, *[1.0] * 29)  # seconds before each attempt when the database does not answer
_log = logging.getLogger(__name__)


class EngineTask(celery.Task):  # type: ignore[misc]
    """Applies the fault switches to a task, and runs it again when the connection to the database was lost."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        context: EngineContext = self.app.engine_context
        faults = context.settings.faults
        if faults.die_after:
            _count_and_kill(context.settings)
        if self.name in faults.fail_task:
            raise RuntimeError(f"{self.name} fails because the sandbox was asked to let it fail")
        self._set_callback_ids()
        for attempt in Attempts(pauses=_PAUSES):
            try:
                return super().__call__(*args, **kwargs)
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                context.reconnect()
                if attempt + 1 == len(_PAUSES):
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _set_callback_ids(self) -> None:
        """Derives the ids of the tasks that follow from this task's id, so that a second run sends the same tasks."""
        for number, callback in enumerate(self.request.callbacks or ()):
            callback["options"].setdefault("task_id", str(uuid.uuid5(uuid.UUID(self.request.id), str(number))))


def _count_and_kill(settings: EngineSettings) -> None:
    """Counts this task, and kills the engine and this worker when the fault die-after says so."""
    count = Redis.from_url(settings.broker).incr(tasks_key(settings.queue))
    if count > settings.faults.die_after:
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


def tasks_key(queue: str) -> str:
    """The Redis key that counts tasks for the fault die-after."""
    return f"{queue}.engine.tasks"


def make_app(settings: EngineSettings, number: int) -> celery.Celery:
    """The Celery application of worker ``number``, with all tasks."""
    from cicscenario.sandbox.custodial import statement_tasks, tasks, token_tasks

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
    app.engine_context = EngineContext(settings)
    tasks.add_to(app)
    token_tasks.add_to(app)
    statement_tasks.add_to(app)
    return app


def taken_key(settings: EngineSettings, number: int) -> str:
    """The Redis list with the tasks that worker ``number`` has taken."""
    return f"{settings.queue}.worker{number}.taken"


def _end_with_engine(engine: socket.socket) -> None:
    """Ends this process as soon as the engine's end of the socket is closed."""
    engine.recv(1)
    os._exit(1)


def main(arguments: list[str]) -> None:
    """``arguments``: the worker's number, the descriptor of its socket to the engine, and the engine's command line."""
    number, engine, settings = int(arguments[0]), socket.socket(fileno=int(arguments[1])), read_settings(arguments[2:])
    logging.basicConfig(level=logging.WARNING, format=f"worker {number}: %(levelname)s %(name)s: %(message)s")
    app = make_app(settings, number)
    if not engine.recv(1):  # sent when tables and roles exist; empty when the engine has ended
        return
    threading.Thread(target=_end_with_engine, args=(engine,), daemon=True).start()
    if count := put_back(settings.broker, taken_key(settings, number), settings.queue):
        _log.warning("%d tasks of an earlier worker are run again", count)
    # No task here waits for another task's result, so Celery need not subscribe to the results of the tasks it sends.
    celery._state._set_task_join_will_block(True)

    def ready(**_: Any) -> None:
        engine.sendall(b"!")

    worker_ready.connect(ready, weak=False)
    app.worker_main(
        [
            "worker", "--pool", "solo", "--queues", settings.queue, "--hostname", f"cic-eth-{number}@%h",
            "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING",
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
