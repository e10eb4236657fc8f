"""Access to plain documents by dotted keys, such as ``population.size``."""

from collections.abc import Mapping
from typing import Any


def flatten(document: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """The leaves of a document by dotted key. A list counts as one leaf."""
    flat: dict[str, Any] = {}
    for name, value in document.items():
        key = f"{above}.{name}" if above else name
        flat |= flatten(value, key) if isinstance(value, Mapping) else {key: value}
    return flat


def with_value(document: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of the document with another value at a dotted key."""
    name, _, rest = key.partition(".")
    inner = document.get(name)
    return document | {name: with_value(inner if isinstance(inner, dict) else {}, rest, value) if rest else value}
