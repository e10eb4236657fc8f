"""An executor does the work of one step for one batch of people."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cicscenario.people.person import Person
from cicscenario.state.rows import Outcome


@dataclass(frozen=True)
class Batch:
    """Part of the population: the ids to process, and the people (none in the first step, which makes them)."""

    ids: Sequence[int]
    people: Sequence[Person]


@dataclass(frozen=True)
class Result:
    """The result of a step for a batch. The engine commits it in one database transaction.

    ``people`` (new or changed) and ``addresses`` (person id, account address) are written together with the outcomes.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    addresses: list[tuple[int, bytes]] = field(default_factory=list)

    def found(self, person: int, address: bytes) -> None:
        """Adds a success: the person has this account."""
        self.addresses.append((person, address))
        self.outcomes.append(Outcome(person, ok=True))

    def fail(self, person: int, why: str) -> None:
        """Adds a failure of one person."""
        self.outcomes.append(Outcome(person, ok=False, detail=why))


class Executor(Protocol):
    """Executes one step for a batch. It is called from several threads, as many as the lane has.

    Raises UnavailableError or ReconcileError when the step cannot continue for any person. The failure of one person is an
    outcome. A person without an outcome stays pending.
    """

    def __call__(self, batch: Batch) -> Result: ...


def all_ok(batch: Batch) -> list[Outcome]:
    """A successful outcome for each person of the batch."""
    return [Outcome(person, ok=True) for person in batch.ids]
