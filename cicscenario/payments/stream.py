"""Random draws that are the same with any version of Python on any machine."""

import random
from collections.abc import MutableSequence
from typing import Any


class RandomStream:
    """The random numbers of one purpose. Only ``Random.random`` is used, which Python promises not to change."""

    def __init__(self, seed: int, purpose: str) -> None:
        self.number = random.Random(f"{seed}|payments|{purpose}").random  # noqa: S311

    def below(self, number: int) -> int:
        """A whole number from 0 on, below ``number``."""
        return int(self.number() * number)

    def shuffle(self, items: MutableSequence[Any]) -> None:
        """Puts the items in an order of which each is equally likely."""
        for place in range(len(items) - 1, 0, -1):
            other = int(self.number() * (place + 1))
            items[place], items[other] = items[other], items[place]

    def shuffled(self, number: int) -> list[int]:
        """The numbers from 0 on below ``number``, in a random order."""
        items = list(range(number))
        self.shuffle(items)
        return items
