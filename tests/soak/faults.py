"""The faults of a simulated world: each strikes at the first fitting boundary from a given number on."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random


class Kind(Enum):
    """What goes wrong. ``amount`` of a fault is a number of what its kind says."""

    KILL = "the process is killed (SIGKILL)"
    POWER = "the power is cut: the process is killed, and of what it had not flushed any part may be lost"
    OLDER = "the run directory as it is here is put back when the process has ended ``amount`` times more"
    OTHER = "another scenario is run with the same signer before the next run"
    UNSENT = "a request does not arrive: the connection is refused"
    LOST = "a request is carried out, and its answer is lost"
    LATE = "a request gets no answer, and is carried out ``amount`` seconds later, after others"
    DOUBLED = "a request is carried out twice, and the second answer comes"
    SLOW = "an answer takes ``amount`` seconds"
    FULL = "the disk is full for ``amount`` writes"
    BROKEN = "a write gives an I/O error"
    REORG = "``amount`` blocks are replaced; their transactions wait again"
    SET_BACK = "``amount`` blocks, and all that waits, are gone: the node was restored from a copy"
    DROP = "the node forgets the transactions that wait"
    LAG = "for a minute the node shows the chain as it was ``amount`` blocks before"
    DOWN = "the services are down for ``amount`` seconds"
    DROPPED = "the next ``amount`` callbacks of the engine are lost"
    REPEATED = "the next ``amount`` callbacks of the engine come twice"
    PAUSED = "the engine's workers stand still for ``amount`` seconds"
    WORKERS = "the engine's workers are killed, with the tasks that they are at"
    CUT = "Redis drops every subscription"
    TASKER = "the phone interface's tasker is killed, with the task that it is at"
    TASKER_PAUSED = "the phone interface's tasker stands still for ``amount`` seconds"
    RESTARTED = "PostgreSQL is restarted: its connections are closed, and what was not committed is gone"
    EMPTIED = "Redis is restarted without its data"


#: Kinds that strike at a next request of the product, and at a next write; all others at any boundary.
AT_REQUESTS = frozenset({Kind.UNSENT, Kind.LOST, Kind.LATE, Kind.DOUBLED, Kind.SLOW})
AT_WRITES = frozenset({Kind.FULL, Kind.BROKEN})

#: Kinds that end the process.
ENDING = frozenset({Kind.KILL, Kind.POWER})
#: Kinds after which the run may say that a person has to look (exit 5): somebody else has used the signer's nonces, or
#: the run's own state does not know of its transactions.
FOR_A_PERSON = frozenset({Kind.OLDER, Kind.OTHER})

#: Kinds by which the engine or the phone interface may lose a request that it has carried out, or seem to have: only then may
#: an account be made that nobody uses.
LOSING = frozenset({
    Kind.LATE, Kind.DOWN, Kind.PAUSED, Kind.WORKERS, Kind.EMPTIED, Kind.TASKER, Kind.TASKER_PAUSED,
})  # fmt: skip

_AMOUNTS = {
    Kind.LATE: (1, 90),
    Kind.SLOW: (1, 20),
    Kind.FULL: (1, 3),
    Kind.OLDER: (1, 3),
    Kind.REORG: (1, 8),
    Kind.SET_BACK: (1, 40),
    Kind.LAG: (1, 6),
    Kind.DOWN: (1, 200),
    Kind.DROPPED: (1, 60),
    Kind.REPEATED: (1, 60),
    Kind.PAUSED: (1, 150),
    Kind.TASKER_PAUSED: (1, 150),
}
_KILLS = 0.25  # of the faults are kills
_NEVER = 10**9  # boundaries
_NEAR = 0.4  # of the faults strike soon after another, since what is repeated is what fails next


@dataclass(frozen=True)
class Fault:
    """One fault, from boundary ``at`` on."""

    at: int
    kind: Kind
    amount: int = 0

    @property
    def runs(self) -> int:
        """How many runs it may end, if one is begun each minute."""
        return {Kind.FULL: self.amount, Kind.DOWN: 1 + self.amount // 60}.get(self.kind, 1)

    def __repr__(self) -> str:
        more = f", {self.amount}" if self.amount else ""
        return f"Fault({self.at}, Kind.{self.kind.name}{more})"


def draw(
    random: Random, kinds: Sequence[Kind], boundaries: int, *, number: int | None = None, kills: float = _KILLS
) -> tuple[Fault, ...]:
    """Some faults of these kinds, within about so many boundaries. ``kills`` is the share of kills among them."""
    number = number or min(12, 1 + int(random.expovariate(0.25)))
    drawn: list[Fault] = []
    at = 0
    for _ in range(number):
        kind = Kind.KILL if random.random() < kills else random.choice(kinds)
        least, most = _AMOUNTS.get(kind, (0, 0))
        near = drawn and random.random() < _NEAR
        at = at + random.randrange(8) if near else random.randrange(boundaries)
        drawn.append(Fault(at, kind, random.randint(least, most)))
    return tuple(sorted(drawn, key=lambda fault: fault.at))


class Pending:
    """The faults that have not struck."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._left = sorted(faults, key=lambda fault: fault.at)
        self._first = self._left[0].at if faults else _NEVER
        self._at_writes = any(fault.kind in AT_WRITES for fault in faults)

    def __bool__(self) -> bool:
        return bool(self._left)

    def at_writes(self, boundary: int) -> bool:
        """Whether a fault is due at a write."""
        return self._at_writes and any(fault.at <= boundary and fault.kind in AT_WRITES for fault in self._left)

    def take(self, boundary: int, *, request: bool = False, write: bool = False) -> Fault | None:
        """The next fault that strikes here: of those at requests, at writes, or at any boundary."""
        if boundary < self._first:  # most often
            return None
        for fault in self._left:
            if fault.at > boundary:
                return None
            at_request, at_write = fault.kind in AT_REQUESTS, fault.kind in AT_WRITES
            if (at_request, at_write) == (request, write):
                self._left.remove(fault)
                self._first = self._left[0].at if self._left else _NEVER
                return fault
        return None
