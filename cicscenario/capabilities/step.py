"""What a step is: a column of the grid *steps x people*. It declares all that other modules need to know of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.capabilities.cost import Cost
from cicscenario.connections import Service
from cicscenario.language import Scenario
from cicscenario.people.person import Person
from cicscenario.state.rows import Outcome


class Lane(Enum):
    """What a step waits for: each lane has threads of its own, so that none holds up another."""

    CPU = "cpu"
    CHAIN = "chain"  #: sends transactions through the ledger
    SERVICE = "service"  #: asks a service, or waits for what it does by itself
    BACKGROUND = "background"  #: slow work that nothing depends on; it never holds a batch open


@dataclass(frozen=True)
class Batch:
    """Part of the population: ids to do, and the people, whom the first step has yet to make."""

    ids: Sequence[int]
    people: Sequence[Person]


@dataclass(frozen=True)
class Result:
    """What a step made of a batch. The engine commits all of it in one transaction, before it counts.

    ``people`` and ``addresses`` (person, account) are written along with the outcomes.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    addresses: list[tuple[int, bytes]] = field(default_factory=list)

    def found(self, person: int, address: bytes) -> None:
        """The person has an account."""
        self.addresses.append((person, address))
        self.outcomes.append(Outcome(person, ok=True))

    def fail(self, person: int, why: str) -> None:
        self.outcomes.append(Outcome(person, ok=False, detail=why))


class Executor(Protocol):
    """Carries a batch through one step, for as many batches at a time as the lane has threads.

    Raises UnavailableError or ReconcileError when the whole step cannot go on; what fails for one person is an outcome.
    Someone without an outcome is left for the next run.
    """

    def __call__(self, batch: Batch) -> Result: ...


@dataclass(frozen=True)
class Part:
    """How a step is carried out for one scenario. ``executor`` is made of the run and the step's own name."""

    summary: str
    lane: Lane
    executor: Callable[[RunContext, str], Executor]
    services: tuple[Service, ...] = ()
    cost: Cost | None = None  #: None for a step that sends no transactions


@dataclass(frozen=True)
class ResultFile:
    """A file of the run directory that lists everybody who is through a step; it is written at the end of every run.

    ``write`` gets its path and the people, a page at a time. Raises UnavailableError or OSError.
    """

    name: str
    write: Callable[[RunContext, Path, Iterable[Sequence[Person]]], None]


@dataclass(frozen=True)
class Step:
    """One step. Its name is its key in the state, the ledger and the command line.

    ``part`` is how it is carried out, or None for a scenario that it is no part of. ``after`` names the steps a person must
    have behind them, of those that the plan has. ``repeatable`` is whether it can be done again for a person without
    making or paying anything twice. ``lost`` says, without asking a service, for whom the result of a repeatable step is
    gone; every run then does it again.
    """

    name: str
    part: Callable[[Scenario], Part | None]
    after: tuple[str, ...] = ()
    repeatable: bool = False
    lost: Callable[[RunContext], Verifier] | None = None
    file: ResultFile | None = None


@dataclass(frozen=True)
class PlannedStep:
    """A step of a plan: what it declares, and how it is carried out for the plan's scenario."""

    step: Step
    part: Part

    @property
    def name(self) -> str:
        return self.step.name

    @property
    def after(self) -> tuple[str, ...]:
        return self.step.after

    @property
    def lane(self) -> Lane:
        return self.part.lane

    @property
    def summary(self) -> str:
        return self.part.summary

    @property
    def services(self) -> tuple[Service, ...]:
        return self.part.services

    @property
    def cost(self) -> Cost | None:
        return self.part.cost

    def executor(self, context: RunContext) -> Executor:
        return self.part.executor(context, self.name)


def planned(step: Step, scenario: Scenario) -> PlannedStep | None:
    """The step as this scenario has it; None when it is no part of it."""
    part = step.part(scenario)
    return None if part is None else PlannedStep(step, part)


def everybody(batch: Batch) -> list[Outcome]:
    """Outcomes for a batch that went through whole."""
    return [Outcome(person, ok=True) for person in batch.ids]
