"""Celery's remote control of the worker: its own commands, on its own mailbox.

Clients ask which queues the worker takes tasks from, and what it runs. The task ``shutdown`` ends it in this way.
"""

import contextlib
import logging
import os
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from celery import Celery
from celery.platforms import signals
from celery.utils.collections import AttributeDict
from celery.worker import state
from celery.worker.control import Panel

from cicscenario.sandbox.custodial.message import TaskMessage, request_of
from cicscenario.sandbox.custodial.taskprocess import TaskProcess

_log = logging.getLogger(__name__)


class _Consumer:
    """What Celery's commands ask of its worker. Those that need anything else are answered with an error."""

    def __init__(self, **known: Any) -> None:
        self.__dict__.update(known)

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError("this worker does not know this command")


class RemoteControl:
    """The mailbox of the worker, and kombu's connection for what is rare."""

    def __init__(
        self,
        app: Celery,
        hostname: str,
        prefetch: int,
        *,
        processes: Sequence[TaskProcess],
        waiting: Callable[[], Iterable[TaskMessage]],
        scheduled: Callable[[], Iterable[TaskMessage]],
    ) -> None:
        self._app, self._hostname, self._prefetch = app, hostname, prefetch
        self._processes, self._waiting, self._scheduled = processes, waiting, scheduled
        self._began = time.monotonic()
        self._connection: Any = None
        self._schedule: list[Any] = []
        self.counts: Counter[str] = Counter()  #: of tasks, by name

    def connect(self) -> None:
        """Opens the connection, declares the queue and listens. Raises RedisError or kombu's OperationalError."""
        self._connection = self._app.connection_for_write()
        channel = self._connection.default_channel
        for queue in self._app.amqp.queues.consume_from.values():
            queue(channel).declare()
        node = self._app.control.mailbox.Node(
            self._hostname,
            channel=channel,
            handlers=Panel.data,
            state=AttributeDict(app=self._app, hostname=self._hostname, consumer=self._consumer(), tset=set),
        )
        self._consumer_of_node = node.listen(callback=lambda body, message: self._answer(node, body, message))
        self.read()  # subscribes

    @property
    def socket(self) -> Any:
        """Can be read from when there is a command."""
        return self._connection.default_channel.subclient.connection._sock

    def read(self) -> None:
        """Carries out what was asked. Raises WorkerShutdown when that is to end, RedisError when the connection is lost."""
        with contextlib.suppress(TimeoutError):
            self._connection.drain_events(timeout=0.001)

    def restore(self) -> None:
        """Puts back what other workers fetched and did not begin within the visibility timeout."""
        self._connection.default_channel.qos.restore_visible(num=None, interval=1)

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):  # it is lost
                self._connection.release()
            self._connection = None

    def _answer(self, node: Any, body: Any, message: Any) -> None:
        self._app.clock.forward()
        with self._requests():
            try:
                node.handle_message(body, message)
            except KeyError as error:
                _log.error("there is no control command %s", error)

    @contextlib.contextmanager
    def _requests(self) -> Iterator[None]:
        """Has Celery know the tasks that run and wait; it looks at them for as long as a command is carried out."""
        running = [process for process in self._processes if process.message]
        kept = []
        for process in running:
            assert process.message is not None
            if request := self._request(process.message):
                request.time_start, request.worker_pid = process.began, process.pid
                request.acknowledged = True
                state.active_requests.add(request)
                kept.append(request)
        kept += [request for message in self._waiting() if (request := self._request(message))]
        for message in self._scheduled():
            if request := self._request(message):
                self._schedule.append(SimpleNamespace(priority=6, entry=SimpleNamespace(args=(request,))))
        for request in kept:
            state.requests[request.id] = request
            state.reserved_requests.add(request)
        try:
            yield
        finally:
            for known in (state.active_requests, state.reserved_requests, state.requests, self._schedule):
                known.clear()

    def _request(self, message: TaskMessage) -> Any:
        return request_of(self._app, message, self._hostname)

    def _consumer(self) -> _Consumer:
        return _Consumer(
            task_consumer=SimpleNamespace(queues=list(self._app.amqp.queues.consume_from.values())),
            controller=SimpleNamespace(stats=self._stats),
            pool=SimpleNamespace(terminate_job=self._terminate),
            timer=SimpleNamespace(schedule=SimpleNamespace(queue=self._schedule)),
            app=self._app,
            hostname=self._hostname,
        )

    def _terminate(self, pid: int, signal: Any = None) -> None:
        for process in self._processes:
            if process.pid == pid:
                process.is_terminated = True
                os.kill(pid, signals.signum(signal or "TERM"))

    def _stats(self) -> dict[str, Any]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "total": dict(self.counts),
            "pid": os.getpid(),
            "clock": str(self._app.clock.value),
            "uptime": round(time.monotonic() - self._began),
            "pool": {
                "implementation": f"{TaskProcess.__module__}:{TaskProcess.__name__}",
                "max-concurrency": len(self._processes),
                "processes": [process.pid for process in self._processes],
                "max-tasks-per-child": "N/A",
                "timeouts": [0, 0],
            },
            "broker": self._connection.info(),
            "prefetch_count": self._prefetch,
            "rusage": {name[3:]: getattr(usage, name) for name in dir(usage) if name.startswith("ru_")},
        }
