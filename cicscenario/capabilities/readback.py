"""Which people's results a run has read back from a service after writing them. The checks need not ask again about these."""

import threading
from collections.abc import Iterator


class PeopleSet:
    """A set of person ids, with one bit per id."""

    def __init__(self) -> None:
        self.bits = bytearray()
        self._number = 0

    def add(self, person: int) -> None:
        place, bit = person // 8, 1 << person % 8
        if place >= len(self.bits):
            self.bits.extend(bytes(place + 1 - len(self.bits)))
        self._number += not self.bits[place] & bit
        self.bits[place] |= bit

    def __contains__(self, person: int) -> bool:
        return 0 <= person < 8 * len(self.bits) and bool(self.bits[person // 8] & 1 << person % 8)

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[int]:
        """The ids in order."""
        return (8 * place + bit for place, byte in enumerate(self.bits) for bit in range(8) if byte & 1 << bit)


class ReadBack:
    """The people of each step, by its name. Thread-safe. It lives as long as the process, and is not saved."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._steps: dict[str, PeopleSet] = {}

    def add(self, step: str, person: int) -> None:
        """Remembers that the result of a step for a person was read back."""
        with self._mutex:
            self._steps.setdefault(step, PeopleSet()).add(person)

    def of(self, step: str | None) -> PeopleSet:
        """The people of a step whose results were read back; none for None."""
        with self._mutex:
            return self._steps.get(step or "", PeopleSet())

    @property
    def size(self) -> int:
        """The memory of all steps in bytes."""
        with self._mutex:
            return sum(len(people.bits) for people in self._steps.values())
