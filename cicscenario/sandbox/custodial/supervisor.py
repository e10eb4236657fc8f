"""Keeps the engine's processes alive, and says in Redis that they are."""

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

from redis import Redis
from redis.exceptions import RedisError

from cicscenario.sandbox.custodial.engine import EngineLoop
from cicscenario.sandbox.custodial.room import EngineContext
from cicscenario.sandbox.custodial.settings import EngineSettings
from cicscenario.sandbox.custodial.worker import tasks_key
from cicscenario.sandbox.services.custodial import alive_key

_WORKERS = 2
_TURN = 0.1  # seconds
_ALIVE = 1.0  # seconds between signs of life
_FORGET = 5  # seconds until a sign of life is void
_STUCK = 60.0  # seconds without a turn of the engine's loop
_GRACE = 20.0  # seconds for the workers to end what they do
_log = logging.getLogger(__name__)


@dataclass
class _Worker:
    """A worker's process and the engine's end of the line to it; the line closes with the engine."""

    number: int
    process: "subprocess.Popen[bytes]" = field(init=False)
    line: socket.socket = field(init=False)
    ready: bool = False

    def start(self, settings: EngineSettings) -> None:
        self.line, theirs = socket.socketpair()
        self.line.setblocking(False)
        theirs.set_inheritable(True)
        words = [str(self.number), str(theirs.fileno()), *settings.words]
        with theirs:
            # Inheritable descriptors go along: the sandbox's lock is held until the last of the engine's processes ends.
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cicscenario.sandbox.custodial.worker", *words],
                stdin=subprocess.DEVNULL,
                close_fds=False,
            )
        self.ready = False

    def go(self) -> None:
        """Lets it take tasks."""
        self.line.sendall(b"!")

    def look(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            self.ready = self.ready or self.line.recv(1) == b"!"


def supervise(settings: EngineSettings) -> int:
    """Runs the engine until it is told to end; gives the exit code."""
    workers = [_Worker(number) for number in range(_WORKERS)]
    for worker in workers:
        worker.start(settings)  # they load their modules meanwhile
    engine = EngineLoop(EngineContext(settings))
    engine.prepare()
    redis = Redis.from_url(settings.broker, socket_timeout=5)
    redis.delete(alive_key(settings.queue), tasks_key(settings.queue))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    loop = threading.Thread(target=engine.run, args=(stop,), daemon=True)
    loop.start()
    for worker in workers:
        worker.go()
    said = 0.0
    while not stop.wait(_TURN) and loop.is_alive():
        _look_after(workers, settings)
        fine = all(worker.ready for worker in workers) and time.monotonic() - engine.beat < _STUCK
        if fine and time.monotonic() - said > _ALIVE:
            said = time.monotonic()
            with contextlib.suppress(RedisError):
                redis.set(alive_key(settings.queue), os.getpid(), ex=_FORGET)
    _end(workers)
    with contextlib.suppress(RedisError):
        redis.delete(alive_key(settings.queue))
    return 0 if stop.is_set() else 1


def _look_after(workers: list[_Worker], settings: EngineSettings) -> None:
    for worker in workers:
        worker.look()
        if worker.process.poll() is not None:
            _log.warning("worker %d ended with %d and is started again", worker.number, worker.process.returncode)
            worker.line.close()
            worker.start(settings)
            worker.go()


def _end(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.process.terminate()
    deadline = time.monotonic() + _GRACE
    for worker in workers:
        try:
            worker.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
