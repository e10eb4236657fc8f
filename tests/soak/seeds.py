"""What a seed means: a scene, a number of people, and faults."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.soak.faults import FOR_A_PERSON, Fault, Kind, draw
from tests.soak.simulation import Ended, simulate

#: Boundaries of a run without faults, about; faults are drawn within a few more.
_BOUNDARIES = {
    "eth": 330,
    "cic_eth": 350,
    "cic_ussd": 2000,
    "cic_ussd_pins": 1500,
    "existing": 560,
    "eth_traffic": 420,
    "cic_eth_traffic": 700,
    "cic_ussd_traffic": 1800,
}
_CHAIN = (Kind.REORG, Kind.SET_BACK, Kind.DROP, Kind.LAG, Kind.OTHER)
_ENGINE = (Kind.DROPPED, Kind.REPEATED, Kind.PAUSED, Kind.WORKERS, Kind.CUT, Kind.EMPTIED)
_PHONE = (Kind.TASKER, Kind.TASKER_PAUSED)
_TABLE = (Kind.RESTARTED,)
_EVERYWHERE = tuple(kind for kind in Kind if kind not in (*_CHAIN, *_ENGINE, *_PHONE, *_TABLE))
_KINDS = {
    "eth": (*_EVERYWHERE, *_CHAIN),
    "cic_eth": (*_EVERYWHERE, *_CHAIN, *_ENGINE),
    "cic_ussd": (*_EVERYWHERE, *_CHAIN, *_ENGINE, *_PHONE),
    "cic_ussd_pins": (*_EVERYWHERE, *_CHAIN, *_ENGINE, *_PHONE, *_TABLE),
    "existing": (*_EVERYWHERE, *_TABLE),
}


DRAWN = tuple(_KINDS)  #: the scenes that a seed chooses from; any other is run where it is asked for
_KINDS_OF_ALL = _KINDS | {
    "eth_traffic": _KINDS["eth"], "cic_eth_traffic": _KINDS["cic_eth"], "cic_ussd_traffic": _KINDS["cic_ussd_pins"],
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One simulation, wholly determined."""

    seed: int
    scene: str
    size: int
    faults: tuple[Fault, ...]
    confirmations: int = 0

    def __repr__(self) -> str:
        more = f", confirmations={self.confirmations}" if self.confirmations else ""
        faults = "".join(f"{fault!r}, " for fault in self.faults).removesuffix(" " if len(self.faults) == 1 else ", ")
        return f"Case({self.seed}, {self.scene!r}, {self.size}, ({faults}){more})"

    def run(self) -> Ended:
        return simulate(self.seed, self.scene, self.size, self.faults, confirmations=self.confirmations)


def case_of(seed: int, scenes: Sequence[str] = DRAWN) -> Case:
    """The case of a seed."""
    random = Random(f"{seed} case")
    scene = random.choice(scenes)
    size = 20 + int(31 * random.random() ** 2)  # 20 to 50, small ones more often: two cost as much as a large one
    faults = draw(random, _KINDS_OF_ALL[scene], int(1.3 * _BOUNDARIES[scene]))
    return Case(seed, scene, size, faults, random.choice((0, 0, 2)))


def case_with(seed: int, kind: Kind) -> Case:
    """A case of a scene that has this kind of fault, and faults of no other kind, unless another run must come after it."""
    random = Random(f"{seed} {kind.name}")
    scene = random.choice([name for name, kinds in _KINDS.items() if kind in kinds])
    boundaries = _BOUNDARIES[scene]
    faults = draw(random, [kind], boundaries // 2, number=4, kills=0)
    if kind in FOR_A_PERSON:
        faults += (Fault(boundaries // 2, Kind.KILL),)
    return Case(seed, scene, 20, faults)
