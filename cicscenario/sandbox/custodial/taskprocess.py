"""The processes that run tasks: each runs one at a time, which the worker hands to it through a socket."""

import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from celery import Celery, platforms
from celery.app.task import Context
from celery.app.trace import build_tracer
from celery.exceptions import NotRegistered, Reject
from celery.result import _set_task_join_will_block
from kombu.exceptions import ContentDisallowed, DecodeError

from cicscenario.jsontext import parse_json
from cicscenario.sandbox.custodial.failing import FailingInfo
from cicscenario.sandbox.custodial.message import TaskMessage, body_of

_LENGTH = 4  # bytes that say how long the message is
_DONE = b"."
_GARBAGE = 10_000  # objects after which Python looks for garbage: a task makes some thousand
_log = logging.getLogger(__name__)


class Closing(Protocol):
    def close(self) -> object: ...


@dataclass(eq=False)
class TaskProcess:
    """One process, as the worker sees it. ``message`` is of the task that it runs, since ``began`` (seconds since 1970)."""

    pid: int
    channel: socket.socket
    message: TaskMessage | None = None
    began: float = 0.0
    is_terminated: bool = False  #: whether the worker has killed it, because its task was revoked

    def hand(self, message: TaskMessage) -> None:
        """Has it run a task."""
        self.message, self.began = message, time.time()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has died, which the channel says, too
            self.channel.sendall(len(message.raw).to_bytes(_LENGTH, "big") + message.raw)

    def is_alive(self) -> bool:
        """Reads what it says: that it has run its task, or that it has died."""
        try:
            is_alive = bool(self.channel.recv(1))
        except ConnectionResetError:
            is_alive = False
        if is_alive:
            self.message = None
        return is_alive

    def let_end(self) -> None:
        """Has it end after the task that it runs."""
        with contextlib.suppress(OSError):  # it has died
            self.channel.shutdown(socket.SHUT_WR)

    def wait(self) -> int:
        """Waits for its end; gives its exit code, negative for a signal."""
        _, status = os.waitpid(self.pid, 0)
        self.channel.close()
        return os.waitstatus_to_exitcode(status)


def start(app: Celery, hostname: str, others: Sequence[Closing]) -> TaskProcess:
    """Forks a process. It closes ``others``, so that they end with the worker alone. The worker must have one thread only."""
    ours, theirs = socket.socketpair()
    gc.freeze()  # the process shares the memory of its parent for as long as nobody writes into it
    sys.stdout.flush()
    if pid := os.fork():
        theirs.close()
        return TaskProcess(pid, ours)
    try:
        for each in (ours, *others):
            each.close()
        _prepare(app, hostname)
        _run(app, hostname, theirs)
    except BaseException:  # SystemExit, too, which a task raised: the process ends, and its task is lost with it
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _prepare(app: Celery, hostname: str) -> None:
    """What Celery does in each of its processes."""
    platforms.set_pdeathsig("SIGKILL")
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _set_task_join_will_block(True)
    app.is_posting = True
    gc.set_threshold(_GARBAGE)
    for name, task in app.tasks.items():
        task.__trace__ = build_tracer(name, task, app.loader, hostname, app=app, Info=FailingInfo)


def _run(app: Celery, hostname: str, channel: socket.socket) -> None:
    tasks, reader = app.tasks, channel.makefile("rb")
    while (raw := _next(reader)) is not None:
        document = parse_json(raw)
        headers, properties = document["headers"], document["properties"]
        task = tasks.get(headers["task"])
        try:
            body = body_of(document)
        except (ContentDisallowed, DecodeError, ValueError, KeyError, TypeError) as error:
            _log.error("cannot decode the message of a task, which is dropped: %r", error)
        else:
            if task is None:
                _refuse(app, headers)
            else:
                _trace(task, headers, properties, body, hostname)
        channel.sendall(_DONE)
        app.backend.settle()  # meanwhile the worker sends the next task


def _next(reader: BinaryIO) -> bytes | None:
    length = reader.read(_LENGTH)
    return reader.read(int.from_bytes(length, "big")) if length else None


def _trace(task: Any, headers: dict[str, Any], properties: dict[str, Any], body: Any, hostname: str) -> None:
    """Runs a task. Its request is the one that Celery makes; source: ``celery.worker.request``."""
    args, kwargs, embedded = body
    delivery = properties["delivery_info"]
    request = {
        **headers,
        "properties": properties,
        "reply_to": properties.get("reply_to"),
        "correlation_id": properties.get("correlation_id"),
        "hostname": hostname,
        "delivery_info": {
            "exchange": delivery.get("exchange"),
            "routing_key": delivery.get("routing_key"),
            "priority": properties.get("priority"),
            "redelivered": delivery.get("redelivered", False),
        },
        "args": args,
        "kwargs": kwargs,
        "is_eager": False,
        **(embedded or {}),
    }
    with contextlib.suppress(Reject):
        task.__trace__(headers["id"], args, kwargs, request)


def _refuse(app: Celery, headers: dict[str, Any]) -> None:
    """Says in the result that there is no such task."""
    name = headers["task"]
    _log.error("there is no task %s", name)
    request = Context(id=headers["id"], root_id=headers.get("root_id"), task=name)
    app.backend.mark_as_failure(headers["id"], NotRegistered(name), request=request)
