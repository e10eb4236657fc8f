"""What a step is: a column of the grid *steps x people*."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from cicscenario.backends.base import Backend
from cicscenario.chain.ledger import Ledger
from cicscenario.connections import Connections, Service
from cicscenario.language import Scenario
from cicscenario.people.population import Population
from cicscenario.state.store import Outcome, PersonRow


class Lane(Enum):
    """What a step waits for: each lane has threads of its own, so that none holds up another."""

    CPU = "cpu"
    CHAIN = "chain"  #: sends transactions through the ledger
    SERVICE = "service"  #: asks a service, or waits for what it does by itself
    BESIDE = "beside"  #: slow work that nothing depends on; it never holds a batch open


@dataclass(frozen=True)
class Context:
    """What executors may use. They return outcomes; they do not write state, print or sleep blindly.

    ``stopping`` is set when the run is to end: waits end with it.
    """

    scenario: Scenario
    directory: Path
    population: Population
    backend: Backend
    services: Connections
    ledger: Ledger | None  #: None for a plan that sends nothing
    stopping: threading.Event


@dataclass(frozen=True)
class Batch:
    """Part of the population: ids to do, and their rows, which the population step has yet to make."""

    ids: Sequence[int]
    people: Sequence[PersonRow]


@dataclass(frozen=True)
class Result:
    """What a step made of a batch. The engine commits all of it in one transaction, before it counts."""

    outcomes: list[Outcome]
    people: list[PersonRow] = field(default_factory=list)
    addresses: list[tuple[int, bytes]] = field(default_factory=list)


class Executor(Protocol):
    """Carries a batch through one step, for as many batches at a time as the lane has threads.

    Raises UnavailableError or ReconcileError when the whole step cannot go on; what fails for one person is an outcome.
    Someone without an outcome is left for the next run.
    """

    def __call__(self, batch: Batch) -> Result: ...


@dataclass(frozen=True)
class Step:
    """One step: ``after`` names the steps a person must have behind them, of those that the plan has."""

    name: str
    lane: Lane
    after: tuple[str, ...]
    applies: Callable[[Scenario], bool]
    executor: Callable[[Context], Executor]
    summary: str
    services: tuple[Service, ...] = ()


def everybody(batch: Batch) -> list[Outcome]:
    """Outcomes for a batch that went through whole."""
    return [Outcome(person, ok=True) for person in batch.ids]


def account(person: PersonRow) -> bytes:
    """The person's account; a step that asks for it comes after ``accounts``."""
    if person.address is None:
        raise AssertionError(f"person {person.id} came to a step without the account it needs")
    return person.address
