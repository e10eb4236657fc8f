"""Applies the changes of a document, with Automerge 0.14's rules for conflicts, but without its undo, texts and tables.

A change is a dict with ``actor``, ``seq``, ``deps`` and ``ops``. It is applied after all changes that it depends on. An
assignment to a key replaces earlier assignments that its change depends on. If assignments are concurrent, all are kept,
and the one of the highest actor is the value.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from cicscenario.sandbox.meta import keyorder

Change = dict[str, Any]

ROOT = "00000000-0000-0000-0000-000000000000"
HEAD = "_head"  #: the predecessor of a list's first element
_MAKES: dict[str, Literal["map", "list"]] = {"makeMap": "map", "makeList": "list"}


class DocumentError(Exception):
    """The changes are not valid, or do not make a document."""


class Assignment(NamedTuple):
    """A value assigned to a key, and the change that did it (``actor``, ``seq``).

    With ``link``, the value is the id of an object.
    """

    actor: str
    seq: int
    value: Any
    link: bool
    datatype: Any


class Insertion(NamedTuple):
    """A list element. Of several elements with the same predecessor, the highest comes first."""

    elem: int
    actor: str

    @property
    def key(self) -> str:
        return f"{self.actor}:{self.elem}"


@dataclass(slots=True)
class TreeNode:
    """A map or list, and the assignments to its keys; the first assignment of each key is its value."""

    kind: Literal["map", "list"]
    keys: dict[str, list[Assignment]] = field(default_factory=dict)
    inserted: dict[str, str] = field(default_factory=dict)  #: list elements: key and predecessor's key
    following: dict[str, list[Insertion]] = field(default_factory=dict)  #: list elements by predecessor's key

    def present(self) -> list[str]:
        """The keys that have a value, in Automerge's order."""
        return [key for key in keyorder.in_map_order(self.keys) if self.keys[key]]

    def elements(self) -> Iterable[list[Assignment]]:
        """The assignments to each list element that has a value, in the order of the list."""
        waiting = sorted(self.following.get(HEAD, ()))
        while waiting:
            key = waiting.pop().key
            if assigned := self.keys.get(key):
                yield assigned
            waiting += sorted(self.following.get(key, ()))

    def require_position(self, key: str) -> None:
        """Raises DocumentError for a list element whose position cannot be found."""
        after = self.inserted.get(key)
        while after != HEAD and not self.keys.get(after or ""):
            if after is None or (after not in self.inserted and max(self.following[after]).key == key):
                raise DocumentError(f"no position for list element {key}")
            key, after = after, self.inserted.get(after, HEAD)


class _Applied(NamedTuple):
    change: Change
    clock: dict[str, int]  # the last sequence number of each actor before this change


class OpSet:
    """Changes and the objects that result from them. Malformed changes raise DocumentError."""

    def __init__(self, changes: Iterable[Change] = ()) -> None:
        self.history: list[Change] = []
        self.queue: list[Change] = []  #: changes that wait for other changes
        self.heads: dict[str, int] = {}  #: changes (actor: seq) on which no other change depends
        self.nodes: dict[str, TreeNode] = {ROOT: TreeNode("map")}
        self._applied: dict[str, list[_Applied]] = {}
        for change in changes:
            self.add(change)

    def add(self, change: Change) -> bool:
        """Applies ``change`` and the changes that waited for it; says whether any of them had operations."""
        try:
            self.queue.append(change)
            return self._apply_ready()
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DocumentError(f"malformed change: {error!r}") from None

    def by_actor(self) -> list[Change]:
        """All applied changes, one actor after the other."""
        return [one.change for actor in keyorder.in_map_order(self._applied) for one in self._applied[actor]]

    def missing_from(self, other: "OpSet") -> list[Change]:
        """The changes that were applied here and not in ``other``, one actor after the other."""
        return [change for change in self.by_actor() if change["seq"] > other._seq(change["actor"])]

    def _seq(self, actor: str) -> int:
        return len(self._applied.get(actor, ()))

    def _apply_ready(self) -> bool:
        changed = False
        while True:
            waiting = []
            for change in self.queue:
                if self._is_ready(change):
                    changed |= self._apply(change)
                else:
                    waiting.append(change)
            if len(waiting) == len(self.queue):
                return changed
            self.queue = waiting

    def _is_ready(self, change: Change) -> bool:
        needed = change["deps"] | {change["actor"]: change["seq"] - 1}
        return all(self._seq(actor) >= seq for actor, seq in needed.items())

    def _apply(self, change: Change) -> bool:
        actor, seq = change["actor"], change["seq"]
        if seq <= self._seq(actor):
            if self._applied[actor][seq - 1].change != change:
                raise DocumentError(f"inconsistent reuse of sequence number {seq} by {actor}")
            return False
        clock = self._clock(change["deps"] | {actor: seq - 1})
        self._applied.setdefault(actor, []).append(_Applied(change, clock))
        for op in change["ops"]:
            self._apply_op(op, actor, seq)
        self.heads = {head: at for head, at in self.heads.items() if at > clock.get(head, 0)} | {actor: seq}
        self.history.append(change)
        return bool(change["ops"])

    def _clock(self, deps: dict[str, int]) -> dict[str, int]:
        clock: dict[str, int] = {}
        for actor, seq in deps.items():
            if seq > 0:
                for known, at in self._applied[actor][seq - 1].clock.items():
                    clock[known] = max(at, clock.get(known, 0))
                clock[actor] = seq
        return clock

    def _apply_op(self, op: dict[str, Any], actor: str, seq: int) -> None:
        action, target = op["action"], op["obj"]
        if action in _MAKES:
            if target in self.nodes:
                raise DocumentError(f"duplicate creation of object {target}")
            self.nodes[target] = TreeNode(_MAKES[action])
            return
        node = self.nodes.get(target)
        if node is None:
            raise DocumentError(f"modification of unknown object {target}")
        if action == "ins":
            self._insert(node, op["key"], Insertion(op["elem"], actor))
        elif action in ("set", "link", "del"):
            self._assign(node, op, actor, seq)
        elif action == "inc":
            self._increment(node, op, actor, seq)
        else:
            raise DocumentError(f"unknown operation {action}")

    @staticmethod
    def _insert(node: TreeNode, after: str, insertion: Insertion) -> None:
        if insertion.key in node.inserted:
            raise DocumentError(f"duplicate list element {insertion.key}")
        node.inserted[insertion.key] = after
        node.following.setdefault(after, []).append(insertion)

    def _assign(self, node: TreeNode, op: dict[str, Any], actor: str, seq: int) -> None:
        key, is_link = op["key"], op["action"] == "link"
        if is_link and not isinstance(op["value"], str):
            raise DocumentError(f"a link to {op['value']!r}")
        assigned = [other for other in node.keys.get(key, ()) if self._are_concurrent(other, actor, seq)]
        if op["action"] != "del":
            assigned.append(Assignment(actor, seq, op.get("value"), is_link, op.get("datatype")))
        if assigned and node.kind == "list":
            node.require_position(key)
        assigned.sort(key=lambda assignment: assignment.actor)
        node.keys[key] = assigned[::-1]

    def _increment(self, node: TreeNode, op: dict[str, Any], actor: str, seq: int) -> None:
        assigned = node.keys.get(op["key"], [])
        for at, other in enumerate(assigned):
            if other.datatype == "counter" and not self._are_concurrent(other, actor, seq):
                assigned[at] = other._replace(value=other.value + op["value"])

    def _are_concurrent(self, other: Assignment, actor: str, seq: int) -> bool:
        own_clock = self._applied[actor][seq - 1].clock
        other_clock = self._applied[other.actor][other.seq - 1].clock
        return own_clock.get(other.actor, 0) < other.seq and other_clock.get(actor, 0) < seq
