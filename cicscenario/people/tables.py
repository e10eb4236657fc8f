"""Draws from weighted groups: a table is made once, and a draw takes the same time for any number of people."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")


class Table(Generic[T]):
    """Groups with their weights, of any sum above 0. A group whose weight is 0 is never drawn."""

    def __init__(self, weights: Iterable[tuple[T, float]]) -> None:
        kept = [(item, weight) for item, weight in weights if weight > 0]
        self.items = [item for item, _ in kept]
        self._cumulative = list(accumulate(weight for _, weight in kept))

    def at(self, number: float) -> T:
        """The group at a number from 0 (included) to 1 (not included)."""
        place = bisect_right(self._cumulative, number * self._cumulative[-1])
        return self.items[min(place, len(self.items) - 1)]  # rounding may reach the end

    def shares(self) -> list[tuple[T, float]]:
        """Each group with its share of 1."""
        total, before, found = self._cumulative[-1], 0.0, []
        for item, until in zip(self.items, self._cumulative, strict=True):
            found.append((item, (until - before) / total))
            before = until
        return found


class Draw:
    """The random numbers of one person. Each has a name, so that none of them depends on how many others are drawn."""

    def __init__(self, seed: int, index: int) -> None:
        self._prefix = f"{seed}|{index}|profile|"

    def number(self, name: str) -> float:
        """The number of this name: from 0 (included) to 1 (not included), with 53 random bits."""
        digest = hashlib.sha256((self._prefix + name).encode()).digest()
        return (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53)
