"""The worker's main loop: it fetches tasks, acknowledges each just before it runs, and hands it to a process that is idle."""

import heapq
import itertools
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.app.trace import ExceptionInfo, setup_worker_optimizations
from celery.exceptions import WorkerLostError, WorkerShutdown
from celery.worker.state import revoked, revoked_stamps
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from cicscenario.sandbox.custodial import taskprocess
from cicscenario.sandbox.custodial.intake import Intake
from cicscenario.sandbox.custodial.message import TaskMessage, request_of
from cicscenario.sandbox.custodial.remote import RemoteControl
from cicscenario.sandbox.custodial.settings import EngineSettings
from cicscenario.sandbox.custodial.taskprocess import TaskProcess

_PROCESSES = 2
_PREFETCHED = 4 * _PROCESSES  # Celery's default
_RESTORE = 100.0  # seconds between looks for what other workers left; source: kombu
_BACK_OFF = 1.0  # seconds before each attempt to connect again
_LOST = (RedisError, OperationalError, OSError)
_log = logging.getLogger(__name__)


class TaskWorker:
    """``engine`` is the socket to the process that started this one; the worker ends when that ends."""

    def __init__(self, app: Celery, settings: EngineSettings, engine: socket.socket) -> None:
        self._app, self._engine = app, engine
        self._hostname = f"celery@{settings.queue}"
        app.amqp.queues.select([settings.queue])
        setup_worker_optimizations(app, self._hostname)
        self._selector = selectors.DefaultSelector()
        self._signals, self._told = socket.socketpair()
        self._processes: list[TaskProcess] = []
        self._scheduled: list[tuple[float, int, TaskMessage]] = []
        self._numbers = itertools.count(1)
        self._intake = Intake(settings.broker, settings.queue, _PREFETCHED)
        self._remote = RemoteControl(
            app,
            self._hostname,
            _PREFETCHED,
            processes=self._processes,
            waiting=lambda: self._intake.messages,
            scheduled=self._of_later,
        )
        self._connected: list[Any] = []  # sockets of the connections to Redis that the selector knows
        self._watches_answers = True  # whether it knows the first of them at present
        self._due = 0.0  # when to connect again, or to look for what other workers left; of the monotonic clock
        self._ending = False

    def run(self) -> None:
        """Runs until SIGTERM, SIGINT, a command or the engine's end."""
        self._engine.setblocking(False)
        for end in (self._signals, self._told):
            end.setblocking(False)
        signal.set_wakeup_fd(self._told.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._register(self._signals, lambda: self._signals.recv(64))
        self._register(self._engine, self._end_with_engine)
        for _ in range(_PROCESSES):
            self._start_process()
        self._connect()
        self._engine.sendall(b"!")
        while not self._ending:
            self._turn()
        self._end()

    def _stop(self, *_: object) -> None:
        self._ending = True

    def _end_with_engine(self) -> None:
        """The engine says nothing more, so its socket can be read when it has ended. The processes end with this one."""
        os._exit(1)

    def _register(self, source: Any, called: Callable[[], Any]) -> None:
        self._selector.register(source, selectors.EVENT_READ, called)

    def _start_process(self) -> None:
        known = [process.channel for process in self._processes]
        process = taskprocess.start(
            self._app, self._hostname, [*known, self._engine, self._signals, self._told, self._selector]
        )
        self._processes.append(process)
        self._register(process.channel, lambda: self._hear(process))

    def _turn(self) -> None:
        """Waits until something happens, and does what follows from it."""
        due = min([self._due, *(moment for moment, _, _ in self._scheduled[:1])])
        self._watch_answers()
        found = self._selector.select(max(0.0, due - time.monotonic()))
        try:
            for key, _ in found:
                if self._selector.get_map().get(key.fd) is key:  # not closed by what was called before
                    key.data()
            if time.monotonic() >= self._due:
                self._look_after_connections()
            self._settle()
        except WorkerShutdown:
            self._ending = True
        except _LOST as error:
            _log.warning("the connection to Redis is lost: %r", error)
            self._disconnect()

    def _watch_answers(self) -> None:
        """Wakes up for the answers to the intake's requests if it is short of messages."""
        if self._connected and self._intake.is_short != self._watches_answers:
            (source, called), *_ = self._intake.sources
            if self._watches_answers:
                self._selector.unregister(source)
            else:
                self._register(source, called)
            self._watches_answers = not self._watches_answers

    def _look_after_connections(self) -> None:
        if not self._connected:
            self._connect()
        else:
            self._remote.restore()
            self._due = time.monotonic() + _RESTORE

    def _connect(self) -> None:
        """Connects to Redis, or sees to it that this is tried again."""
        try:
            self._intake.connect()
            self._remote.connect()
            self._remote.restore()
        except _LOST as error:
            _log.warning("cannot connect to Redis: %r", error)
            self._disconnect()
            return
        for source, called in (*self._intake.sources, (self._remote.socket, self._remote.read)):
            self._register(source, called)
            self._connected.append(source)
        self._watches_answers = True
        self._due = time.monotonic() + _RESTORE

    def _disconnect(self) -> None:
        for source in self._connected[0 if self._watches_answers else 1 :]:
            self._selector.unregister(source)
        self._connected.clear()
        self._intake.close()
        self._remote.close()
        self._due = time.monotonic() + _BACK_OFF

    def _settle(self) -> None:
        """Hands out what may run now."""
        if not self._connected:
            return
        self._keep_schedule()
        waiting = self._intake.messages
        idle = [process for process in self._processes if process.message is None]
        begun: list[TaskMessage] = []
        handed: list[tuple[TaskProcess, TaskMessage]] = []
        while waiting and len(handed) < len(idle):
            begun.append(waiting.popleft())
            if self._may_run(begun[-1]):
                handed.append((idle[len(handed)], begun[-1]))
        try:
            self._intake.settle(begun)
        finally:  # what could not be acknowledged is so by the next connection
            for process, message in handed:
                process.hand(message)
                self._remote.counts[message.name] += 1

    def _keep_schedule(self) -> None:
        """Takes out the messages whose time has not come, and brings back those whose time has."""
        for message in self._intake.take_later():
            heapq.heappush(self._scheduled, (time.monotonic() + message.wait, next(self._numbers), message))
            self._intake.note([message])
        while self._scheduled and self._scheduled[0][0] <= time.monotonic():
            self._intake.messages.append(heapq.heappop(self._scheduled)[2])

    def _of_later(self) -> list[TaskMessage]:
        return [message for _, _, message in self._scheduled]

    def _may_run(self, message: TaskMessage) -> bool:
        """Whether a task is neither revoked nor too late; then that becomes its result."""
        if message.headers.get("expires") is None and not len(revoked) and not revoked_stamps:
            return True
        request = request_of(self._app, message, self._hostname)
        return request is None or not request.revoked()

    def _hear(self, process: TaskProcess) -> None:
        """Reads what a process says. For one that has died, another one is started; its task has failed."""
        if process.is_alive():
            return
        self._selector.unregister(process.channel)
        self._processes.remove(process)
        process.let_end()
        code = process.wait()
        if process.message is not None and not process.is_terminated:
            self._fail(process.message, code)
        if self._connected:
            self._intake.settle_down()
            self._disconnect()  # the new process must not have these connections
        self._start_process()
        self._connect()

    def _fail(self, message: TaskMessage, code: int) -> None:
        """Gives a task the result that Celery gives one whose process was lost."""
        request = request_of(self._app, message, self._hostname)
        if request is None:
            return
        try:
            _raise_lost(code, self._remote.counts.total())
        except WorkerLostError:
            request.on_failure(ExceptionInfo())

    def _end(self) -> None:
        """Puts back what has not begun, and waits for the tasks that run."""
        try:
            if self._connected:
                self._intake.settle_down()
                self._keep_schedule()
                self._intake.put_back(self._of_later())
        except _LOST as error:
            _log.warning("what was fetched cannot be put back: %r", error)
        for process in self._processes:
            process.let_end()
        for process in self._processes:
            process.wait()


def _raise_lost(code: int, number: int) -> None:
    status = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exitcode {code}"
    raise WorkerLostError(f"Worker exited prematurely: {status} Job: {number}.")
