"""The changes of a document, replayed: Automerge 0.14's rules of who wins, without its undo, texts and tables.

A change is a dict with ``actor``, ``seq``, ``deps`` and ``ops``. It is applied once all that it depends on has been; of
the assignments to one key those that another one knew of are gone, and of concurrent ones the highest actor's shows.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from cicscenario.sandbox.meta import keyorder

Change = dict[str, Any]

ROOT = "00000000-0000-0000-0000-000000000000"
HEAD = "_head"  #: what the first element of a list follows
_MAKES: dict[str, Literal["map", "list"]] = {"makeMap": "map", "makeList": "list"}


class DocumentError(Exception):
    """These changes do not make a document."""


class Assignment(NamedTuple):
    """Who gave a key its value; with ``link`` the value is the id of an object."""

    actor: str
    seq: int
    value: Any
    link: bool
    datatype: Any


class Insertion(NamedTuple):
    """Where a list's element is; of those that follow the same one, the highest comes first."""

    elem: int
    actor: str

    @property
    def key(self) -> str:
        return f"{self.actor}:{self.elem}"


@dataclass(slots=True)
class TreeNode:
    """A map or list, with what is assigned to its keys, the winner first."""

    kind: Literal["map", "list"]
    keys: dict[str, list[Assignment]] = field(default_factory=dict)
    inserted: dict[str, str] = field(default_factory=dict)  #: an element, and which one it follows
    following: dict[str, list[Insertion]] = field(default_factory=dict)

    def present(self) -> list[str]:
        """The keys that have a value, in the order in which Automerge meets them."""
        return [key for key in keyorder.listed(self.keys) if self.keys[key]]

    def elements(self) -> Iterable[list[Assignment]]:
        """What is assigned to each element that has a value, in the order of the list."""
        waiting = sorted(self.following.get(HEAD, ()))
        while waiting:
            key = waiting.pop().key
            if assigned := self.keys.get(key):
                yield assigned
            waiting += sorted(self.following.get(key, ()))

    def require_place(self, key: str) -> None:
        """Raises DocumentError for a list's element whose place is nowhere to be found."""
        after = self.inserted.get(key)
        while after != HEAD and not self.keys.get(after or ""):
            if after is None or (after not in self.inserted and max(self.following[after]).key == key):
                raise DocumentError(f"no place for list element {key}")
            key, after = after, self.inserted.get(after, HEAD)


class _Applied(NamedTuple):
    change: Change
    clock: dict[str, int]  # all that it knew of


class OpSet:
    """Changes and what they amount to. Malformed changes raise DocumentError."""

    def __init__(self, changes: Iterable[Change] = ()) -> None:
        self.history: list[Change] = []
        self.queue: list[Change] = []  #: what waits for changes that have not come
        self.heads: dict[str, int] = {}  #: the changes that no other one depends on yet
        self.nodes: dict[str, TreeNode] = {ROOT: TreeNode("map")}
        self._applied: dict[str, list[_Applied]] = {}
        for change in changes:
            self.add(change)

    def add(self, change: Change) -> bool:
        """Applies ``change``, and what waited for it; says whether anything did change."""
        try:
            self.queue.append(change)
            return self._apply_ready()
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DocumentError(f"malformed change: {error!r}") from None

    def by_actor(self) -> list[Change]:
        """What was applied, one actor after the other."""
        return [one.change for actor in keyorder.listed(self._applied) for one in self._applied[actor]]

    def missing_from(self, other: "OpSet") -> list[Change]:
        """What was applied here and not in ``other``, one actor after the other."""
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
        key, links = op["key"], op["action"] == "link"
        if links and not isinstance(op["value"], str):
            raise DocumentError(f"a link to {op['value']!r}")
        assigned = [other for other in node.keys.get(key, ()) if self._are_concurrent(other, actor, seq)]
        if op["action"] != "del":
            assigned.append(Assignment(actor, seq, op.get("value"), links, op.get("datatype")))
        if assigned and node.kind == "list":
            node.require_place(key)
        assigned.sort(key=lambda assignment: assignment.actor)
        node.keys[key] = assigned[::-1]

    def _increment(self, node: TreeNode, op: dict[str, Any], actor: str, seq: int) -> None:
        assigned = node.keys.get(op["key"], [])
        for at, other in enumerate(assigned):
            if other.datatype == "counter" and not self._are_concurrent(other, actor, seq):
                assigned[at] = other._replace(value=other.value + op["value"])

    def _are_concurrent(self, other: Assignment, actor: str, seq: int) -> bool:
        mine = self._applied[actor][seq - 1].clock
        its = self._applied[other.actor][other.seq - 1].clock
        return mine.get(other.actor, 0) < other.seq and its.get(actor, 0) < seq
