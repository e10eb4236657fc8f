"""The order in which an Immutable.js Map lists its keys: insertion order for up to eight keys, hash order for more.

It is the order of the fields of a stored object. So an object with more than eight fields is returned in another order
than it was written.
"""

from collections.abc import Iterable

_ORDERED_UP_TO = 8
_BITS = 5  # bits of the hash for each level of the tree
_LEVELS = 7


def in_map_order(keys: Iterable[str]) -> list[str]:
    """``keys`` in the order in which the Map lists them after they were added in the given order."""
    added = list(keys)
    return added if len(added) <= _ORDERED_UP_TO else sorted(added, key=_branches)


def _branches(key: str) -> tuple[int, ...]:
    hashed = 0
    units = key.encode("utf-16-le", "surrogatepass")
    for at in range(0, len(units), 2):
        hashed = (31 * hashed + units[at] + (units[at + 1] << 8)) & 0xFFFFFFFF
    hashed = ((hashed >> 1) & 0x40000000) | (hashed & 0xBFFFFFFF)
    return tuple((hashed >> (_BITS * level)) & 31 for level in range(_LEVELS))
