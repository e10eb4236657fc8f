"""Compares the effective values of two scenarios. Comments, the order of keys and the style of YAML are no difference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cicscenario.language.dotted import flatten
from cicscenario.language.schema import Schema, keys


@dataclass(frozen=True)
class Change:
    """One key whose effective value differs; None means that the key is not given."""

    key: str  #: dotted
    before: Any
    after: Any

    @property
    def is_list(self) -> bool:
        """Whether the values are lists; one of them may be None."""
        return any(isinstance(value, list) for value in (self.before, self.after)) and all(
            value is None or isinstance(value, list) for value in (self.before, self.after)
        )

    @property
    def added(self) -> list[Any]:
        """Items that are only in the list ``after``."""
        return [item for item in self.after or [] if item not in (self.before or [])]

    @property
    def removed(self) -> list[Any]:
        """Items that are only in the list ``before``."""
        return [item for item in self.before or [] if item not in (self.after or [])]


def changes(schema: Schema, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The keys that differ between two canonical documents, in the schema's order.

    A list of names from an ``enum`` is compared as a set; in any other list the order counts.
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
    """The position of the key in the schema, or of the mapping with free keys that contains it."""
    while key and key not in order:
        key = key.rpartition(".")[0]
    return order.get(key, len(order))
