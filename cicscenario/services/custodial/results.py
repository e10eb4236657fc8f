"""The engine's results, read from Redis, and what a tree of them says about an account.

Every task leaves a record ``celery-task-meta-<id>`` for a day: JSON with status, result and children. By these, an
account is found whose callback was lost. Source: celery 4.4.7, ``BaseKeyValueStoreBackend`` and ``ResultBase.as_tuple``.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cicscenario.jsontext import parse_json
from cicscenario.services.custodial import tasks
from cicscenario.services.custodial.broker import Broker, list_of
from cicscenario.services.custodial.meaning import explain
from cicscenario.services.custodial.outcome import AccountOutcome, Created, Failed, Lost, Signing, Trace, Transferred

_PREFIX = "celery-task-meta-"
_ADDRESS = re.compile(r"(?:0x)?([0-9a-fA-F]{40})")
_HASH = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")
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
        found = parse_json(text)
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
        return self._broker.read(lambda client: list_of(bytes | None, client.mget(names), len(names)))

    def trees(self, roots: Sequence[str]) -> dict[str, TaskRecord]:
        """The records of account creations, from the root to the registration, by task id: four requests per 500 roots.

        Those of transfers are as deep.
        """
        level: list[str] = list(roots)
        tree: dict[str, TaskRecord] = {}
        for _ in (tasks.CHECK_LOCK, tasks.CREATE, tasks.RESERVE_NONCE, tasks.REGISTER):
            found = self.read(level)
            tree |= found
            level = [child for entry in found.values() for child in entry.children]
            if not level:
                break
        return tree


def outcome(root_id: str, tree: Tree, spec: str = "SPEC") -> AccountOutcome:
    """What the tree of one creation says. A root without a record is Lost with the trace UNKNOWN; no queue is looked at.

    ``spec`` is the chain spec, for commands in hints.
    """
    root = tree.get(root_id)
    if root is None:
        return Lost(Trace.UNKNOWN, "the custodial engine has no result of it", root_id)
    if root.failed:
        return explain(tasks.CHECK_LOCK, root.result, spec)
    create = _child(root, 0, tree)
    if create is None or not create.done:
        begun = f"the custodial engine has begun it, but {tasks.CREATE} has no result yet"
        return Lost(Trace.RUNNING, begun, root.children[0] if root.children else None)
    if create.failed:
        return explain(tasks.CREATE, create.result, spec)
    address = address_in(create.result)
    if address is None:
        return Failed(tasks.CREATE, "no exception", repr(create.result)[:100], "the engine answered without an address")
    nonce = create.children[1] if len(create.children) > 1 else None
    return Created(address, signing(nonce, tree, tasks.REGISTER, spec).failed if nonce else None)


def transfer_outcome(root_id: str, tree: Tree, spec: str = "SPEC") -> Transferred | Failed | Lost:
    """What the tree of one transfer says; each task has sent the next one. As ``outcome``."""
    task_id: str | None = root_id
    for task in (tasks.CHECK_LOCK, tasks.RESERVE_NONCE, tasks.RESOLVE_TOKENS, tasks.TRANSFER):
        entry = tree.get(task_id) if task_id else None
        if entry is None or not entry.done:
            if task_id == root_id:
                return Lost(Trace.UNKNOWN, "the custodial engine has no result of it", root_id)
            return Lost(Trace.RUNNING, f"the custodial engine has begun it, but {task} has no result yet", task_id)
        if entry.failed:
            return explain(task, entry.result, spec)
        task_id = entry.children[0] if entry.children else None
        result = entry.result
    match = _HASH.fullmatch(result) if isinstance(result, str) else None
    if match is None:
        return Failed(tasks.TRANSFER, "no exception", repr(result)[:100], "the engine answered without a transaction")
    return Transferred(bytes.fromhex(match[1]))


def registration_root(root_id: str, tree: Tree) -> str | None:
    """The id of the task that reserves a nonce for the registration; None while the account has not been created.

    The first child of ``create`` is the callback, the second reserves the nonce.
    """
    root = tree.get(root_id)
    create = _child(root, 0, tree) if root else None
    return create.children[1] if create and len(create.children) > 1 else None


def signing(nonce_id: str, tree: Tree, then: str, spec: str = "SPEC") -> Signing:
    """How far a transaction is: the task ``nonce_id`` reserves its nonce, and its child, the task ``then``, signs it.

    No queue is looked at.
    """
    nonce = tree.get(nonce_id)
    if nonce is None or not nonce.done:
        return Signing(nonce_id)
    if nonce.failed:
        return Signing(failed=explain(tasks.RESERVE_NONCE, nonce.result, spec))
    sign = _child(nonce, 0, tree)
    if sign is None or not sign.done:
        return Signing(nonce.children[0] if nonce.children else None)
    return Signing(failed=explain(then, sign.result, spec)) if sign.failed else Signing(signed=True)


def _child(entry: TaskRecord, index: int, tree: Tree) -> TaskRecord | None:
    return tree.get(entry.children[index]) if index < len(entry.children) else None
