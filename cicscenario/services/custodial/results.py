"""The engine's results, read from Redis, and what a tree of them says about an account.

Every task leaves a record ``celery-task-meta-<id>`` for a day: JSON with status, result and children. By these, an
account is found whose callback was lost. Source: celery 4.4.7, ``BaseKeyValueStoreBackend`` and ``ResultBase.as_tuple``.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any

from cicscenario.services.custodial import tasks
from cicscenario.services.custodial.broker import Broker, list_of
from cicscenario.services.custodial.meaning import explain
from cicscenario.services.custodial.outcome import AccountOutcome, Created, Failed, Lost, Trace

_PREFIX = "celery-task-meta-"
_ADDRESS = re.compile(r"(?:0x)?([0-9a-fA-F]{40})")
_BATCH = 500
_FINAL = {"FAILURE", "REVOKED"}


@dataclass(frozen=True)
class TaskRecord:
    """One task's result. ``children`` are the ids of the tasks it sent, group members among them, in order."""

    status: str
    result: Any
    children: tuple[str, ...] = ()
    parent: str | None = None

    @property
    def failed(self) -> bool:
        return self.status in _FINAL

    @property
    def done(self) -> bool:
        return self.failed or self.status == "SUCCESS"


Tree = Mapping[str, TaskRecord]


def address_in(value: Any) -> bytes | None:
    """The 20 bytes of a hexadecimal address, with or without 0x; None for anything else."""
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    return bytes.fromhex(match[1]) if match else None


def parse(text: bytes) -> TaskRecord | None:
    """One record; None for text that is not a result of Celery's."""
    try:
        found = json.loads(text)
        children = tuple(leaf for child in found.get("children") or () for leaf in _leaves(child))
        return TaskRecord(str(found["status"]), found.get("result"), children, found.get("parent_id"))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None


def _leaves(child: Any) -> Iterator[str]:
    """Task ids of a child: ``[[id, parent], null]`` is a task, ``[[id, parent], [child, ...]]`` a group of tasks."""
    head, members = child
    if members is None:
        yield str(head[0] if isinstance(head, list) else head)
        return
    for member in members:
        yield from _leaves(member)


class Results:
    """Reads records in batches."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def read(self, ids: Iterable[str]) -> dict[str, TaskRecord]:
        """The records that exist, by task id. One request per 500 ids."""
        wanted = list(dict.fromkeys(ids))
        found: dict[str, TaskRecord] = {}
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            for task_id, text in zip(batch, self._texts(batch), strict=True):
                entry = parse(text) if text is not None else None
                if entry:
                    found[task_id] = entry
        return found

    def _texts(self, ids: Sequence[str]) -> list[bytes | None]:
        names = [_PREFIX + task_id for task_id in ids]
        return self._broker.read(lambda client: list_of((bytes, NoneType), client.mget(names), len(names)))

    def trees(self, roots: Sequence[str]) -> dict[str, TaskRecord]:
        """The records of account creations, from the root to the registration, by task id: four requests per 500 roots."""
        level: list[str] = list(roots)
        tree: dict[str, TaskRecord] = {}
        for _ in (tasks.CHECK_LOCK, tasks.CREATE, tasks.RESERVE_NONCE, tasks.REGISTER):
            found = self.read(level)
            tree |= found
            level = [child for entry in found.values() for child in entry.children]
            if not level:
                break
        return tree


def outcome(root_id: str, tree: Tree) -> AccountOutcome:
    """What the tree of one creation says. A root without a record is Lost with the trace UNKNOWN."""
    root = tree.get(root_id)
    if root is None:
        return Lost(Trace.UNKNOWN, "the custodial engine has no result of it")
    if root.failed:
        return explain(tasks.CHECK_LOCK, root.result)
    create = _child(root, 0, tree)
    if create is None or not create.done:
        return Lost(Trace.RUNNING, f"the custodial engine has begun it, but {tasks.CREATE} has no result yet")
    if create.failed:
        return explain(tasks.CREATE, create.result)
    address = address_in(create.result)
    if address is None:
        return Failed(tasks.CREATE, "no exception", repr(create.result)[:100], "the engine answered without an address")
    return Created(address, _unregistered(create, tree))


def _unregistered(create: TaskRecord, tree: Tree) -> Failed | None:
    """Why the registration failed. The first child of ``create`` is the callback, the second reserves a nonce."""
    return unregistered(_child(create, 1, tree), tree)


def unregistered(nonce: TaskRecord | None, tree: Tree) -> Failed | None:
    """Why a registration failed, from the record of the task that reserves its nonce; None when it did not, or not yet."""
    if nonce is None or not nonce.done:
        return None
    if nonce.failed:
        return explain(tasks.RESERVE_NONCE, nonce.result)
    register = _child(nonce, 0, tree)
    return explain(tasks.REGISTER, register.result) if register and register.failed else None


def _child(entry: TaskRecord, index: int, tree: Tree) -> TaskRecord | None:
    return tree.get(entry.children[index]) if index < len(entry.children) else None
