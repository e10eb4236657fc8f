"""A backend creates the accounts of a scenario. A descriptor declares it; one class carries it out."""

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
    """A backend, opened for one run; threads share it. The engine calls only the parts that the descriptor declares."""

    @abstractmethod
    def accounts(self, batch: Batch) -> Result:
        """Creates the accounts of a batch. A person without an outcome stays pending, and the next run tries again.

        Raises UnavailableError when no account can be created at present.
        """

    def registration(self, step: str) -> Executor:
        """Registers accounts in the accounts index, or waits until the stack has. ``step`` is the ledger's purpose."""
        raise NotImplementedError

    def gas(self, step: str) -> Executor:
        """Sends native currency for fees, or waits until the stack has."""
        raise NotImplementedError

    def faucet(self, step: str) -> Executor:
        """Triggers the token faucet, or waits until the stack has."""
        raise NotImplementedError

    def private_key(self, person: Person) -> bytes:
        """The 32-byte private key of the person's account. Only for backends whose keys the run holds."""
        raise NotImplementedError

    def close(self) -> None:  # noqa: B027 -- most backends have nothing to close
        """Closes connections that the backend keeps open."""


@dataclass(frozen=True)
class BackendPart:
    """What a backend does in one step. It takes part only in scenarios for which ``applies`` is true."""

    summary: str
    lane: Lane
    services: tuple[Service, ...] = ()
    cost: Cost | None = None
    applies: Callable[[Scenario], bool] = lambda scenario: True


@dataclass(frozen=True, kw_only=True)
class BackendDescriptor(BackendTraits):
    """The declaration of a backend. Where a part is None, scenarios of this backend do not have that step.

    ``rules`` are the combinations of its options with other keys that are errors.
    """

    open: Callable[[RunContext], Backend]
    accounts: BackendPart
    registration: BackendPart | None = None
    gas: BackendPart | None = None
    faucet: BackendPart | None = None
    rules: tuple[Rule, ...] = ()


def descriptor(scenario: Scenario) -> BackendDescriptor:
    """The backend that a scenario names."""
    return cast("BackendDescriptor", scenario.backend.traits)  # the vocabulary holds descriptors only


def backend_part(
    declared: Callable[[BackendDescriptor], BackendPart | None], executor: Callable[[Backend, str], Executor]
) -> Callable[[Scenario], Part | None]:
    """Makes the ``part`` function of a step that the scenario's backend carries out.

    ``declared`` takes the step's part from the descriptor; ``executor`` gets the executor from the opened backend.
    """

    def part(scenario: Scenario) -> Part | None:
        own = declared(descriptor(scenario))
        if own is None or not own.applies(scenario):
            return None
        return Part(own.summary, own.lane, lambda run, step: executor(run.backend, step), own.services, own.cost)

    return part
