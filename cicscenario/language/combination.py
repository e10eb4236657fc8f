"""One combination of the values of a matrix: its name, the folder of its run, and the seed of its people."""

import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from cicscenario.errors import InvalidError
from cicscenario.wording import counted

_SEED = "population.seed"
_UNSAFE = re.compile(r"[^A-Za-z0-9._,=+-]+")
_LONGEST = 64  # characters of the name of a folder
_DIGEST = 8  # hexadecimal digits that tell two folders apart whose names had to be changed
_LISTED = 10  # combinations that an error lists


@dataclass(frozen=True)
class Combination:
    """One value for each key that a matrix varies. A value is as ``--set`` takes it."""

    values: tuple[tuple[str, str], ...]

    @property
    def label(self) -> str:
        """What people call it: ``backend=eth,population.size=10``."""
        return ",".join(self.sets)

    @property
    def folder(self) -> str:
        """The name of its folder: its label, or something like it where that is too long or no good name for a file."""
        safe = _UNSAFE.sub("-", self.label)
        if safe == self.label and len(safe) <= _LONGEST:
            return safe
        return f"{safe[:_LONGEST]}-{hashlib.sha256(self.label.encode()).hexdigest()[:_DIGEST]}"

    @property
    def sets(self) -> tuple[str, ...]:
        """The values for ``--set`` that choose this combination and no other."""
        return tuple(f"{key}={value}" for key, value in self.values)

    @property
    def options(self) -> str:
        """The options of the command line that choose this combination and no other."""
        return shlex.join(word for value in self.sets for word in ("--set", value))

    def seed(self, seed: int) -> int:
        """The seed of its people: made from that of the scenario, unless the matrix names it.

        So two combinations have different people, as two scenarios have. It depends on the scenario's seed and the label only.
        """
        if any(key == _SEED for key, _ in self.values):
            return seed
        return int.from_bytes(hashlib.sha256(f"{seed}|{self.label}".encode()).digest()[:6], "big")


class SeveralRunsError(InvalidError):
    """A scenario with a matrix was given where one run is meant; ``combinations`` are those that it may be."""

    def __init__(self, file: str, combinations: Sequence[Combination]) -> None:
        self.combinations = tuple(combinations)
        lines = [f"\n    {combination.options}" for combination in self.combinations[:_LISTED]]
        left = len(self.combinations) - _LISTED
        lines += [f"\n    and {left} more, with the other values of the matrix"] if left > 0 else []
        super().__init__(
            f"{file} has a matrix of {counted(len(self.combinations), 'run')}, and this is about one of them",
            hint=f"say which one:{''.join(lines)}",
        )
