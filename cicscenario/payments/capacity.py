"""How many payments each receiver is still to get, summed by range: a Fenwick tree."""

from collections.abc import Sequence


class Capacity:
    """Whole numbers from 0 on, by place; ``total`` and ``find`` take a time that grows as the logarithm of their number."""

    def __init__(self, values: Sequence[int]) -> None:
        self.values = list(values)
        self._tree = [0, *values]
        for place in range(1, len(self._tree)):
            parent = place + (place & -place)
            if parent < len(self._tree):
                self._tree[parent] += self._tree[place]
        self._top = 1 << (len(values).bit_length() - 1) if values else 0

    def before(self, place: int) -> int:
        """The sum of the values of the places before this one."""
        found = 0
        while place:
            found += self._tree[place]
            place &= place - 1
        return found

    def find(self, amount: int) -> int:
        """The first place at which the sum of the values, its own included, is above ``amount``."""
        place, step = 0, self._top
        while step:
            after = place + step
            if after < len(self._tree) and self._tree[after] <= amount:
                amount -= self._tree[after]
                place = after
            step >>= 1
        return place

    def take(self, place: int, amount: int) -> None:
        """Lowers a value by ``amount``, at most to 0."""
        taken = min(amount, self.values[place])
        self.values[place] -= taken
        place += 1
        while place < len(self._tree):
            self._tree[place] -= taken
            place += place & -place
