"""What a seed means: a backend, a number of people, and faults."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.soak.faults import Fault, Kind, draw
from tests.soak.simulation import Ended, simulate

#: Boundaries of a run without faults, about; faults are drawn within a few more.
_BOUNDARIES = {"eth": 190, "cic_eth": 280, "cic_ussd": 1300}
_ENGINE = (Kind.DROPPED, Kind.REPEATED, Kind.PAUSED, Kind.WORKERS, Kind.CUT, Kind.EMPTIED)
_PHONE = (Kind.TASKER, Kind.TASKER_PAUSED)
_EVERYWHERE = tuple(kind for kind in Kind if kind not in (*_ENGINE, *_PHONE))
_KINDS = {
    "eth": _EVERYWHERE,
    "cic_eth": (*_EVERYWHERE, *_ENGINE),
    "cic_ussd": (*_EVERYWHERE, *_ENGINE, *_PHONE),
}


BACKENDS = tuple(_KINDS)


@dataclass(frozen=True)
class Case:
    """One simulation, wholly determined."""

    seed: int
    backend: str
    size: int
    faults: tuple[Fault, ...]
    confirmations: int = 0

    def __repr__(self) -> str:
        more = f", confirmations={self.confirmations}" if self.confirmations else ""
        faults = "".join(f"{fault!r}, " for fault in self.faults).removesuffix(" " if len(self.faults) == 1 else ", ")
        return f"Case({self.seed}, {self.backend!r}, {self.size}, ({faults}){more})"

    def run(self, *, told: bool = False) -> Ended:
        return simulate(self.seed, self.backend, self.size, self.faults, confirmations=self.confirmations, told=told)


def case_of(seed: int, backends: Sequence[str] = BACKENDS) -> Case:
    """The case of a seed."""
    random = Random(f"{seed} case")
    backend = random.choice(backends)
    size = random.randint(20, 50)
    faults = draw(random, _KINDS[backend], int(1.3 * _BOUNDARIES[backend]))
    return Case(seed, backend, size, faults, random.choice((0, 0, 2)))
