"""The processes of a sandbox's engine, and what is left of its tasks in Redis when they are killed."""

import contextlib
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from cicscenario.sandbox.daemon import Daemon
from tests.support.running_engine import RunningEngine
from tests.support.waiting import eventually


def processes(engine: RunningEngine) -> dict[str, int]:
    """Process ids of the engine (engine), its worker (worker) and the processes that run tasks (task 0, task 1)."""
    parent = Daemon("custodial", engine.home / "sandbox").pid()
    assert parent is not None
    found = {"engine": parent}
    for worker in children(parent):
        words = Path(f"/proc/{worker}/cmdline").read_bytes()
        if b"cicscenario.sandbox.custodial" in words:  # else it is dead, or only about to begin
            found["worker"] = worker
            found |= {f"task {number}": child for number, child in enumerate(children(worker))}
    return found


def children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kill(*pids: int) -> None:
    """Kills processes, and waits until the kernel has done it."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it ended with its parent
            os.kill(pid, signal.SIGKILL)
    for pid in pids:
        eventually(lambda pid=pid: is_gone(pid))


def is_gone(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # when this process started it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@dataclass(frozen=True)
class Remains:
    """Where tasks are that have no result: in the queue, or in kombu's ``unacked``. Ids of tasks, oldest first."""

    queued: list[str]
    unacked: list[str]
    form: set[str]  #: of the entries in ``unacked``: names of a message's parts, exchange, and routing key
    keys: dict[str, str]  #: type of each Redis key that kombu uses


def remains(redis: Redis, queue: str = "cic-eth") -> Remains:
    """Reads them, and fails when ``unacked`` and its index do not hold the same messages."""
    with redis.pipeline(transaction=True) as pipe:  # at one moment: a worker may be fetching
        texts, tags = pipe.hgetall("unacked").zrange("unacked_index", 0, -1).execute()
    entries = {tag.decode(): json.loads(text) for tag, text in texts.items()}
    index = [tag.decode() for tag in tags]
    assert set(index) == set(entries)
    for tag, (message, _, _) in entries.items():
        assert message["properties"]["delivery_tag"] == tag
    return Remains(
        [json.loads(text)["headers"]["id"] for text in reversed(redis.lrange(queue, 0, -1))],
        [entries[tag][0]["headers"]["id"] for tag in index],
        {json.dumps([_names(message), exchange, key]) for message, exchange, key in entries.values()},
        {key: redis.type(key).decode() for key in ("unacked", "unacked_index", queue) if redis.exists(key)},
    )


def _names(message: dict[str, Any]) -> dict[str, list[str]]:
    return {part: sorted(message[part]) if isinstance(message[part], dict) else [] for part in sorted(message)}
