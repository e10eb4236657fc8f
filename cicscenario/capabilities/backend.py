"""What a backend is: the way in which accounts come to be. A descriptor declares it, and one class carries it out."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.cost import Cost
from cicscenario.capabilities.step import Batch, Executor, Lane, Part, Result
from cicscenario.connections import Service
from cicscenario.language import BackendTraits, Rule, Scenario
from cicscenario.people.person import Person


class Backend(ABC):
    """A backend that is open for one run; threads share it. Only the parts that its descriptor declares are asked for."""

    @abstractmethod
    def accounts(self, batch: Batch) -> Result:
        """Gives people accounts; somebody without an outcome is asked about again by the next run.

        Raises UnavailableError when nobody can be given one at present.
        """

    def registration(self, step: str) -> Executor:
        """Carries out, under the step's name, or waits for, the registration in the accounts index."""
        raise NotImplementedError

    def gas(self, step: str) -> Executor:
        """Gives native currency for fees, or waits for it."""
        raise NotImplementedError

    def faucet(self, step: str) -> Executor:
        """Triggers the token faucet, or waits for it."""
        raise NotImplementedError

    def private_key(self, person: Person) -> bytes:
        """The 32-byte key of the person's account, where the run holds the keys."""
        raise NotImplementedError

    def close(self) -> None:  # noqa: B027 -- most have nothing to close
        """Ends what was kept open."""


@dataclass(frozen=True)
class BackendPart:
    """How a backend takes part in a step."""

    summary: str
    lane: Lane
    services: tuple[Service, ...] = ()
    cost: Cost | None = None
    applies: Callable[[Scenario], bool] = lambda scenario: True


@dataclass(frozen=True, kw_only=True)
class BackendDescriptor(BackendTraits):
    """All there is to know of a backend. A part that is None is no step of its scenarios.

    ``rules`` are contradictions between its options and other keys.
    """

    open: Callable[[RunContext], Backend]
    accounts: BackendPart
    registration: BackendPart | None = None
    gas: BackendPart | None = None
    faucet: BackendPart | None = None
    rules: tuple[Rule, ...] = ()


def descriptor(scenario: Scenario) -> BackendDescriptor:
    """The backend that a scenario names."""
    return cast("BackendDescriptor", scenario.backend.traits)  # the vocabulary gives the language nothing else


def backend_part(
    declared: Callable[[BackendDescriptor], BackendPart | None], executor: Callable[[Backend, str], Executor]
) -> Callable[[Scenario], Part | None]:
    """The ``part`` of a step that the scenario's backend carries out: what it declares of it, and how it is asked."""

    def part(scenario: Scenario) -> Part | None:
        own = declared(descriptor(scenario))
        if own is None or not own.applies(scenario):
            return None
        return Part(own.summary, own.lane, lambda run, step: executor(run.backend, step), own.services, own.cost)

    return part
