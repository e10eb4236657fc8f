"""A step: one column of the grid *steps x people*. Its declaration holds everything that other modules need to know."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.capabilities.cost import Cost, Sender
from cicscenario.capabilities.money import Money
from cicscenario.connections import Service
from cicscenario.language import Scenario

if TYPE_CHECKING:
    from cicscenario.capabilities.executor import Executor
    from cicscenario.people.person import Person


class Lane(Enum):
    """The resource that a step mainly uses. Each lane has its own threads, so that a slow lane does not block others."""

    CPU = "cpu"
    CHAIN = "chain"  #: sends transactions through the ledger
    SERVICE = "service"  #: sends requests to a service, or waits for it
    BACKGROUND = "background"  #: slow work that no other step depends on; it does not delay the next batch


@dataclass(frozen=True)
class Part:
    """How a step is executed for one scenario. ``executor`` makes the executor from the run and the step's name."""

    summary: str
    lane: Lane
    executor: Callable[[RunContext, str], "Executor"]
    services: tuple[Service, ...] = ()
    cost: Cost | None = None  #: None for a step that sends no transactions
    money: Money | None = None  #: None for a step that gives people nothing


@dataclass(frozen=True)
class ResultFile:
    """A file in the run directory that lists the people who are done in a step. Every run writes it at its end.

    ``write`` gets the path and the people in pages. Raises UnavailableError or OSError.
    """

    name: str
    write: Callable[[RunContext, Path, Iterable[Sequence["Person"]]], None]


@dataclass(frozen=True)
class Step:
    """The declaration of a step. Its name is its key in the state, the ledger and on the command line.

    ``part`` gives how it is executed, or None for a scenario that does not have this step. ``after`` names the steps that
    must be done for a person first; those that the plan does not have are ignored. ``repeatable`` is true when executing
    the step again for a person creates and pays nothing twice. ``lost`` makes a verifier that finds people whose result is
    gone, without asking a service; every run repeats the step for them (only if it is ``repeatable``). ``repair`` gives how a
    repair makes the result for scenarios that do not have this step, since another program makes it there.
    ``lacking`` is what people have for whom it failed, such as "no account". ``together``: it is carried out for all people
    at once, when the steps before it are done for everybody; its batch has ids only.
    """

    name: str
    part: Callable[[Scenario], Part | None]
    after: tuple[str, ...] = ()
    repeatable: bool = False
    lost: Callable[[RunContext], Verifier] | None = None
    files: tuple[ResultFile, ...] = ()
    repair: Callable[[Scenario], Part | None] = lambda scenario: None
    lacking: str = ""
    together: bool = False


@dataclass(frozen=True)
class PlannedStep:
    """A step of a plan: its declaration, and how it is executed for the plan's scenario."""

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

    @property
    def sends(self) -> bool:
        """Whether the run itself sends transactions in this step."""
        return self.cost is not None and self.cost.sender is not Sender.SERVICE

    @property
    def money(self) -> Money | None:
        return self.part.money

    def executor(self, context: RunContext) -> "Executor":
        return self.part.executor(context, self.name)


def planned(step: Step, scenario: Scenario) -> PlannedStep | None:
    """The step as this scenario executes it; None when the scenario does not have the step."""
    part = step.part(scenario)
    return None if part is None else PlannedStep(step, part)


def repairing(step: Step, scenario: Scenario) -> PlannedStep | None:
    """The step as a repair executes it for this scenario, which does not have it otherwise; None when it never does."""
    part = step.repair(scenario)
    return None if part is None else PlannedStep(step, part)
