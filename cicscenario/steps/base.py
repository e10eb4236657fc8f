"""What a step is: a column of the grid *steps x people*."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from cicscenario.backends.eth import EthBackend
from cicscenario.chain.ledger import Ledger
from cicscenario.chain.session import ChainSession
from cicscenario.language import Scenario
from cicscenario.people.generator import Generator
from cicscenario.state.store import Outcome, PersonRow


class Lane(Enum):
    """What a step waits for: each lane has threads of its own, so that none holds up another."""

    CPU = "cpu"
    CHAIN = "chain"
    KEYSTORE = "keystore"  #: slow work that nothing depends on; it never holds a batch open


@dataclass(frozen=True)
class Context:
    """What executors may use. They return outcomes; they do not write state, print or sleep."""

    scenario: Scenario
    directory: Path
    generator: Generator
    backend: EthBackend
    chain: ChainSession
    ledger: Ledger


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
    """

    def __call__(self, batch: Batch) -> Result: ...


@dataclass(frozen=True)
class Step:
    """One step: ``after`` names the steps a person must have behind them."""

    name: str
    lane: Lane
    after: tuple[str, ...]
    applies: Callable[[Scenario], bool]
    executor: Callable[[Context], Executor]
    summary: str


def everybody(batch: Batch) -> list[Outcome]:
    """Outcomes for a batch that went through whole."""
    return [Outcome(person, ok=True) for person in batch.ids]
