"""The worker process: it takes tasks as a Celery worker does, and ends when the engine that started it ends.

It does what cic-eth's own worker does: two processes run tasks, a task is acknowledged just before it runs, and up to eight
further tasks are prefetched. A worker that is killed loses the tasks that run. What it had prefetched stays in the Redis
keys ``unacked`` and ``unacked_index`` until the visibility timeout has passed; then a worker puts it back into the queue.
"""

import logging
import os
import socket
import sys
from typing import Any

import celery
import psycopg2

import cicscenario.chain.discovery  # noqa: F401  # loads eth_abi before the processes fork, not in each of them
from cicscenario.retry import Attempts
from cicscenario.sandbox.custodial import (
    gas_tasks,
    names,
    statement_tasks,
    tasks,
    token_tasks,
    transaction_tasks,
    trust_tasks,
)
from cicscenario.sandbox.custodial.chords import backend_url
from cicscenario.sandbox.custodial.context import EngineContext
from cicscenario.sandbox.custodial.counters import FaultCounters
from cicscenario.sandbox.custodial.errors import SeppukuError
from cicscenario.sandbox.custodial.outbox import PostingApp
from cicscenario.sandbox.custodial.settings import EngineSettings, read_settings
from cicscenario.sandbox.custodial.taskworker import TaskWorker
from cicscenario.sandbox.pace import Work, WorkPace

_PAUSES = (0.0, *[1.0] * 29)  # seconds before each attempt when the database does not answer


class EngineTask(celery.Task):  # type: ignore[misc]
    """Applies the fault switches to a task, and the pace; runs it again when the connection to the database was lost."""

    abstract = True
    resultrepr_maxsize = 0  # of a text for the log, which is not written

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        context: EngineContext = self.app.engine_context
        self.app.fault_counters.before_task()
        self.app.pace.wait(Work.TRANSACTION if self.name in names.OF_TRANSACTIONS else Work.TASK)
        if self.name in context.settings.faults.fail_task:
            raise RuntimeError(f"{self.name} fails because the sandbox was asked to let it fail")
        for attempt in Attempts(pauses=_PAUSES, always_once=True):
            try:
                return self.run(*args, **kwargs)  # not by ``super``, which does what the tracer has done
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                context.reconnect()
                if attempt + 1 == len(_PAUSES):
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def on_failure(self, exc: BaseException, *_: Any) -> None:
        """Has the worker shut down after a SeppukuError, by a task, which waits behind all others in the queue."""
        if isinstance(exc, SeppukuError):
            message = f"received critical exception {exc}, calling shutdown"
            queue = (self.request.delivery_info or {}).get("routing_key")
            self.app.signature(names.SHUTDOWN, args=(message,), queue=queue).apply_async()


def make_app(settings: EngineSettings) -> celery.Celery:
    """The Celery application, with all tasks. Call it in the worker's main process."""
    app = PostingApp(
        "cic-eth",
        settings.broker,
        broker=settings.broker,
        backend=backend_url(settings.broker),
        task_cls=EngineTask,
    )
    app.conf.update(
        task_default_queue=settings.queue,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        result_expires=86_400,
        broker_transport_options={"visibility_timeout": settings.faults.visibility_timeout},
    )
    app.engine_context = EngineContext(settings)
    app.pace = WorkPace(settings.pace)
    app.fault_counters = FaultCounters(settings, os.getppid())
    for module in (tasks, transaction_tasks, gas_tasks, token_tasks, trust_tasks, statement_tasks):
        module.add_to(app)
    return app


def work(settings: EngineSettings, engine: socket.socket) -> None:
    """Takes tasks until the worker is stopped, or the process at the other end of ``engine`` ends."""
    logging.basicConfig(level=logging.WARNING, format="worker: %(levelname)s %(name)s: %(message)s", force=True)
    worker = TaskWorker(make_app(settings), settings, engine)
    if engine.recv(1):  # sent when tables and roles exist; empty when the engine has ended
        print(f"worker: process {os.getpid()} takes tasks from the queue {settings.queue}", file=sys.stderr, flush=True)
        worker.run()


if __name__ == "__main__":
    work(read_settings(sys.argv[2:]), socket.socket(fileno=int(sys.argv[1])))
