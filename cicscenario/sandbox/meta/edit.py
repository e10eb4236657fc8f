"""Records the operations of one change, in the order in which Automerge's frontend records them."""

import uuid
from typing import Any

from cicscenario.sandbox.meta import jsjson
from cicscenario.sandbox.meta.opset import HEAD, DocumentError, OpSet

_ASSIGNING = ("set", "link", "del")
#: Properties that every JavaScript object inherits: the real server treats them as keys that were assigned already.
_INHERITED = frozenset(
    {
        "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__", "__proto__", "constructor",
        "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf",
    }
)  # fmt: skip


def new_id() -> str:
    """A random id for an actor or an object."""
    return str(uuid.uuid4())


class Edit:
    """Operations of ``actor`` that follow ``opset``, which is not changed."""

    def __init__(self, opset: OpSet, actor: str) -> None:
        self.ops: list[dict[str, Any]] = []
        self._opset = opset
        self._actor = actor
        self._written: dict[tuple[str, str], Any] = {}

    def set(self, target: str, key: str, value: Any) -> None:
        """Assigns ``value`` to a map's ``key``, unless it has that value. Raises DocumentError for an empty key."""
        if key == "":
            raise DocumentError("the key of a map entry must not be an empty string")
        if not self._has(target, key, value):
            self._assign(target, key, value)
        self._written[target, key] = value

    def delete(self, target: str, key: str) -> None:
        """Deletes a map's ``key``, if it exists."""
        existing = bool(self._opset.nodes[target].keys.get(key))
        if (target, key) in self._written or existing:
            self.ops.append({"action": "del", "obj": target, "key": key})

    def assigned_once(self) -> list[dict[str, Any]]:
        """The operations without those that a later operation on the same key replaces."""
        seen: dict[str, set[str]] = {}
        kept = []
        for op in reversed(self.ops):
            if op["action"] in _ASSIGNING:
                keys = seen.get(op["obj"])
                if keys is not None and (op["key"] in keys or op["key"] in _INHERITED):
                    continue
                seen.setdefault(op["obj"], set()).add(op["key"])
            kept.append(op)
        return kept[::-1]

    def _has(self, target: str, key: str, value: Any) -> bool:
        node = self._opset.nodes.get(target)
        assigned = node.keys.get(key) if node else None
        if not assigned or len(assigned) > 1 or assigned[0].link:
            return False
        shown = assigned[0].value
        return isinstance(shown, bool) == isinstance(value, bool) and bool(shown == value)

    def _assign(self, target: str, key: str, value: Any) -> None:
        if isinstance(value, dict | list):
            made = self._make_map(value) if isinstance(value, dict) else self._make_list(value)
            self.ops.append({"action": "link", "obj": target, "key": key, "value": made})
        else:
            self.ops.append({"action": "set", "obj": target, "key": key, "value": value})

    def _make_map(self, value: dict[str, Any]) -> str:
        made = new_id()
        self.ops.append({"action": "makeMap", "obj": made})
        for key in jsjson.in_object_order(value):
            self.set(made, key, value[key])
        return made

    def _make_list(self, value: list[Any]) -> str:
        made = new_id()
        self.ops.append({"action": "makeList", "obj": made})
        after = HEAD
        for number, member in enumerate(value, 1):
            self.ops.append({"action": "ins", "obj": made, "key": after, "elem": number})
            after = f"{self._actor}:{number}"
            self._assign(made, after, member)
        return made
