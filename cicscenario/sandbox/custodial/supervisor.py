"""Starts the engine's loop and its worker, restarts a worker that ends, and writes a heartbeat to Redis."""

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from queue import Empty, SimpleQueue

from redis import Redis
from redis.exceptions import RedisError

from cicscenario.loading import loading
from cicscenario.sandbox.custodial.context import EngineContext
from cicscenario.sandbox.custodial.counters import counter_keys
from cicscenario.sandbox.custodial.engine import EngineLoop
from cicscenario.sandbox.custodial.settings import EngineSettings
from cicscenario.sandbox.process import wait_for_others
from cicscenario.sandbox.services.custodial import heartbeat_key

_HEARTBEAT = 1.0  # seconds between heartbeats
_HEARTBEAT_EXPIRY = 5  # seconds
_STALL = 60.0  # seconds without a turn of the engine's loop, after which the heartbeat stops
_GRACE = 20.0  # seconds that the worker has to finish its tasks
_log = logging.getLogger(__name__)


class _News(Enum):
    """What the supervisor waits for."""

    STOP = auto()  #: SIGTERM or SIGINT has come
    LOOP_ENDED = auto()
    WORKER_READY = auto()
    WORKER_ENDED = auto()


_Queue = SimpleQueue[_News]  # a signal handler may put into it, too


@dataclass
class _Worker:
    """The worker process, and the engine's end of a socket pair with it; the channel closes when the engine ends."""

    pid: int = field(init=False)
    code: int | None = None  #: the exit code, or the negative number of a signal, when it has ended
    channel: socket.socket = field(init=False)
    ready: bool = False
    ended: threading.Event = field(default_factory=threading.Event)

    def start(
        self,
        settings: EngineSettings,
        news: _Queue,
        begin: Callable[[EngineSettings, socket.socket, socket.socket], int],
    ) -> None:
        """Starts it by ``begin``; ``news`` gets WORKER_READY once it takes tasks, and WORKER_ENDED."""
        self.channel, theirs = socket.socketpair()
        with theirs:
            # Open descriptors are inherited, so that the sandbox's lock is held until the engine's last process ends.
            self.pid = begin(settings, theirs, self.channel)
        self.ready, self.code = False, None
        self.ended.clear()
        threading.Thread(target=_tell_of_start, args=(self.channel, news), daemon=True).start()
        threading.Thread(target=_tell_of_end, args=(self, news), daemon=True).start()

    def allow_tasks(self) -> None:
        """Tells the worker that tables and roles exist, so that it may take tasks."""
        with contextlib.suppress(ConnectionError):  # it has ended
            self.channel.sendall(b"!")

    def send_signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.kill(self.pid, number)


def _forked(settings: EngineSettings, channel: socket.socket, of_engine: socket.socket) -> int:
    """Starts a worker that shares the modules that this process has loaded. This process must have one thread only."""
    with loading():
        from cicscenario.sandbox.custodial import worker

    if pid := os.fork():
        return pid
    try:
        of_engine.close()  # else the worker would never see it closed
        worker.work(settings, channel)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _spawned(settings: EngineSettings, channel: socket.socket, _: socket.socket) -> int:
    """Starts a worker when this process has threads, and cannot fork safely."""
    channel.set_inheritable(True)
    command = [sys.executable, "-m", "cicscenario.sandbox.custodial.worker", str(channel.fileno()), *settings.arguments]
    return os.posix_spawn(sys.executable, command, os.environ)


def _tell_of_start(channel: socket.socket, news: _Queue) -> None:
    with contextlib.suppress(OSError):  # the worker has ended, and the channel is closed
        if channel.recv(1) == b"!":
            news.put(_News.WORKER_READY)


def _tell_of_end(worker: _Worker, news: _Queue) -> None:
    _, status = os.waitpid(worker.pid, 0)
    worker.code = os.waitstatus_to_exitcode(status)
    worker.ended.set()
    news.put(_News.WORKER_ENDED)


def supervise(settings: EngineSettings) -> int:
    """Runs the engine until SIGTERM or SIGINT; gives the exit code, which is 1 when the engine's loop has failed."""
    worker, news, stop = _Worker(), _Queue(), threading.Event()
    worker.start(settings, news, _forked)
    wait_for_others()
    engine = EngineLoop(EngineContext(settings))
    engine.prepare()
    redis = Redis.from_url(settings.broker, socket_timeout=5)
    redis.delete(heartbeat_key(settings.queue), *counter_keys(settings.queue))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: news.put(_News.STOP))
    threading.Thread(target=_run_loop, args=(engine, stop, news), daemon=True).start()
    worker.allow_tasks()
    ended = _watch(worker, settings, engine, redis, news)
    stop.set()
    engine.wake()
    _stop(worker)
    with contextlib.suppress(RedisError):
        redis.delete(heartbeat_key(settings.queue))
    return 0 if ended is _News.STOP else 1


def _run_loop(engine: EngineLoop, stop: threading.Event, news: _Queue) -> None:
    try:
        engine.run(stop)
    finally:
        news.put(_News.LOOP_ENDED)


def _watch(worker: _Worker, settings: EngineSettings, engine: EngineLoop, redis: Redis, news: _Queue) -> _News:
    """Restarts the worker and writes the heartbeat until the engine is to end; gives the reason."""
    while True:
        try:
            told = news.get(timeout=_HEARTBEAT)
        except Empty:
            told = None
        if told in (_News.STOP, _News.LOOP_ENDED):
            return told
        if told is _News.WORKER_READY:
            worker.ready = True
        elif told is _News.WORKER_ENDED:
            _restart(worker, settings, news)
        if worker.ready and time.monotonic() - engine.last_turn < _STALL:
            with contextlib.suppress(RedisError):
                redis.set(heartbeat_key(settings.queue), os.getpid(), ex=_HEARTBEAT_EXPIRY)


def _restart(worker: _Worker, settings: EngineSettings, news: _Queue) -> None:
    _log.warning("the worker ended with %d and is started again", worker.code)
    with contextlib.suppress(OSError):
        worker.channel.shutdown(socket.SHUT_RDWR)  # ends the thread that reads it
    worker.channel.close()
    worker.start(settings, news, _spawned)
    worker.allow_tasks()


def _stop(worker: _Worker) -> None:
    """Lets the worker finish the tasks that run, and put back what it has prefetched."""
    worker.send_signal(signal.SIGTERM)
    if not worker.ended.wait(_GRACE):
        worker.send_signal(signal.SIGKILL)
        worker.ended.wait()
