"""How two scenarios differ in what they mean: comments, the order of keys and the style of YAML do not count."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cicscenario.language.dotted import flatten
from cicscenario.language.schema import Schema, keys


@dataclass(frozen=True)
class Change:
    """One key whose effective value differs; None stands for a value that is not given."""

    key: str  #: dotted
    before: Any
    after: Any

    @property
    def is_list(self) -> bool:
        """Whether both values are lists, of which one is a list for certain."""
        return any(isinstance(value, list) for value in (self.before, self.after)) and all(
            value is None or isinstance(value, list) for value in (self.before, self.after)
        )

    @property
    def added(self) -> list[Any]:
        """Items that only the list after has."""
        return [item for item in self.after or [] if item not in (self.before or [])]

    @property
    def removed(self) -> list[Any]:
        """Items that only the list before has."""
        return [item for item in self.before or [] if item not in (self.after or [])]


def changes(schema: Schema, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The keys that differ between two canonical documents, in the schema's order.

    A list whose items are names out of an ``enum`` is a set; in any other list the order has a meaning.
    """
    known = keys(schema)
    was, now = flatten(before), flatten(after)
    order = {key: place for place, key in enumerate(known)}
    found = [
        Change(key, was.get(key), now.get(key))
        for key in was.keys() | now.keys()
        if _normal(known.get(key, {}), was.get(key)) != _normal(known.get(key, {}), now.get(key))
    ]
    return sorted(found, key=lambda change: (_place(order, change.key), change.key))


def _normal(schema: Schema, value: Any) -> Any:
    if isinstance(value, list) and "enum" in schema.get("items", {}):
        return sorted(map(str, value))
    return value


def _place(order: Mapping[str, int], key: str) -> int:
    """Where the schema has the key, or else the mapping with free keys that it is in."""
    while key and key not in order:
        key = key.rpartition(".")[0]
    return order.get(key, len(order))
