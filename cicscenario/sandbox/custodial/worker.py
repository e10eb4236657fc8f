"""The worker process: a Celery worker that ends when the engine that started it ends.

It is set up as cic-eth's own worker: two processes run tasks, a task is acknowledged just before it runs, and up to eight
further tasks are prefetched. A worker that is killed loses the tasks that run. What it had prefetched stays in the Redis
keys ``unacked`` and ``unacked_index`` until the visibility timeout has passed; then a worker puts it back into the queue.
"""

import logging
import os
import socket
import sys
import threading
from typing import Any

import celery
import psycopg2
from celery.signals import worker_ready

from cicscenario.retry import Attempts
from cicscenario.sandbox.custodial import names
from cicscenario.sandbox.custodial.chords import backend_url
from cicscenario.sandbox.custodial.context import EngineContext
from cicscenario.sandbox.custodial.counters import FaultCounters
from cicscenario.sandbox.custodial.errors import SeppukuError
from cicscenario.sandbox.custodial.outbox import PostingApp
from cicscenario.sandbox.custodial.settings import EngineSettings, read_settings
from cicscenario.sandbox.custodial.transport import broker_url

_PROCESSES = 2
_PAUSES = (0.0, *[1.0] * 29)  # seconds before each attempt when the database does not answer


class EngineTask(celery.Task):  # type: ignore[misc]
    """Applies the fault switches to a task, and runs it again when the connection to the database was lost."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        context: EngineContext = self.app.engine_context
        self.app.fault_counters.before_task()
        if self.name in context.settings.faults.fail_task:
            raise RuntimeError(f"{self.name} fails because the sandbox was asked to let it fail")
        for attempt in Attempts(pauses=_PAUSES):
            try:
                return super().__call__(*args, **kwargs)
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
    import cicscenario.chain.discovery  # noqa: F401  # loads eth_abi before the processes fork, not in each of them
    from cicscenario.sandbox.custodial import (
        gas_tasks,
        statement_tasks,
        tasks,
        token_tasks,
        transaction_tasks,
        trust_tasks,
    )

    app = PostingApp(
        "cic-eth",
        settings.broker,
        broker=broker_url(settings.broker),
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
    app.fault_counters = FaultCounters(settings, os.getppid())
    for module in (tasks, transaction_tasks, gas_tasks, token_tasks, trust_tasks, statement_tasks):
        module.add_to(app)
    return app


def _end_with_engine(engine: socket.socket) -> None:
    """Ends this process as soon as the engine's end of the socket is closed."""
    engine.recv(1)
    os._exit(1)


def main(arguments: list[str]) -> None:
    """``arguments``: the descriptor of the worker's socket to the engine, and the engine's command line."""
    engine, settings = socket.socket(fileno=int(arguments[0])), read_settings(arguments[1:])
    logging.basicConfig(level=logging.WARNING, format="worker: %(levelname)s %(name)s: %(message)s")
    app = make_app(settings)
    if not engine.recv(1):  # sent when tables and roles exist; empty when the engine has ended
        return
    threading.Thread(target=_end_with_engine, args=(engine,), daemon=True).start()

    def ready(**_: Any) -> None:
        engine.sendall(b"!")

    worker_ready.connect(ready, weak=False)
    app.worker_main(
        [
            "worker", "--pool", "prefork", "--concurrency", str(_PROCESSES), "--queues", settings.queue,
            "--hostname", settings.queue, "--without-gossip", "--without-mingle", "--without-heartbeat",
            "--loglevel", "WARNING",
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
