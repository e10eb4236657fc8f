"""Starts the engine's loop and its worker, restarts a worker that ends, and writes a heartbeat to Redis."""

import contextlib
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

from redis import Redis
from redis.exceptions import RedisError

from cicscenario.sandbox.custodial.context import EngineContext
from cicscenario.sandbox.custodial.counters import counter_keys
from cicscenario.sandbox.custodial.engine import EngineLoop
from cicscenario.sandbox.custodial.settings import EngineSettings
from cicscenario.sandbox.process import stop_event
from cicscenario.sandbox.services.custodial import heartbeat_key

_POLL = 0.1  # seconds between looks at the worker
_HEARTBEAT = 1.0  # seconds between heartbeats
_HEARTBEAT_EXPIRY = 5  # seconds
_STALL = 60.0  # seconds without a turn of the engine's loop, after which the heartbeat stops
_GRACE = 20.0  # seconds that the worker has to finish its tasks
_log = logging.getLogger(__name__)


@dataclass
class _Worker:
    """The worker process, and the engine's end of a socket pair with it; the channel closes when the engine ends."""

    process: "subprocess.Popen[bytes]" = field(init=False)
    channel: socket.socket = field(init=False)
    ready: bool = False

    def start(self, settings: EngineSettings) -> None:
        self.channel, worker_socket = socket.socketpair()
        self.channel.setblocking(False)
        worker_socket.set_inheritable(True)
        with worker_socket:
            # Open descriptors are inherited, so that the sandbox's lock is held until the engine's last process ends.
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "cicscenario.sandbox.custodial.worker",
                    str(worker_socket.fileno()), *settings.arguments,
                ],
                stdin=subprocess.DEVNULL,
                close_fds=False,
            )  # fmt: skip
        self.ready = False

    def allow_tasks(self) -> None:
        """Tells the worker that tables and roles exist, so that it may take tasks."""
        self.channel.sendall(b"!")

    def read_ready(self) -> None:
        """Sets ``ready`` once the worker has reported that it takes tasks."""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            self.ready = self.ready or self.channel.recv(1) == b"!"


def supervise(settings: EngineSettings) -> int:
    """Runs the engine until SIGTERM or SIGINT; gives the exit code, which is 1 when the engine's loop has failed."""
    worker = _Worker()
    worker.start(settings)  # it loads its modules during ``prepare``
    engine = EngineLoop(EngineContext(settings))
    engine.prepare()
    redis = Redis.from_url(settings.broker, socket_timeout=5)
    redis.delete(heartbeat_key(settings.queue), *counter_keys(settings.queue))
    stop = stop_event()
    loop = threading.Thread(target=engine.run, args=(stop,), daemon=True)
    loop.start()
    worker.allow_tasks()
    last_heartbeat = 0.0
    while not stop.wait(_POLL) and loop.is_alive():
        _restart_ended(worker, settings)
        healthy = worker.ready and time.monotonic() - engine.last_turn < _STALL
        if healthy and time.monotonic() - last_heartbeat > _HEARTBEAT:
            last_heartbeat = time.monotonic()
            with contextlib.suppress(RedisError):
                redis.set(heartbeat_key(settings.queue), os.getpid(), ex=_HEARTBEAT_EXPIRY)
    _stop(worker)
    with contextlib.suppress(RedisError):
        redis.delete(heartbeat_key(settings.queue))
    return 0 if stop.is_set() else 1


def _restart_ended(worker: _Worker, settings: EngineSettings) -> None:
    worker.read_ready()
    if worker.process.poll() is not None:
        _log.warning("the worker ended with %d and is started again", worker.process.returncode)
        worker.channel.close()
        worker.start(settings)
        worker.allow_tasks()


def _stop(worker: _Worker) -> None:
    """Lets the worker finish the tasks that run, and put back what it has prefetched."""
    worker.process.terminate()
    try:
        worker.process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        worker.process.kill()
        worker.process.wait()
