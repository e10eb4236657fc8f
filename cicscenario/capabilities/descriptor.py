"""The declaration of a backend: who holds the keys, its options, and its part in each step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.cost import Cost, Need
from cicscenario.capabilities.money import Money
from cicscenario.capabilities.step import Lane, Part
from cicscenario.connections import Service
from cicscenario.language import BackendTraits, Rule, Scenario

if TYPE_CHECKING:
    from cicscenario.capabilities.backend import Backend
    from cicscenario.capabilities.executor import Executor
    from cicscenario.connections import Connections
    from cicscenario.people.person import Person
    from cicscenario.people.population import Population


@dataclass(frozen=True)
class BackendPart:
    """What a backend does in one step. It takes part only in scenarios for which ``applies`` is true."""

    summary: str
    lane: Lane
    services: tuple[Service, ...] = ()
    cost: Cost | None = None
    applies: Callable[[Scenario], bool] = lambda scenario: True
    money: Money | None = None


@dataclass(frozen=True)
class Survey:
    """What a backend may look at before a run changes anything: the services of a scenario, and its people."""

    scenario: Scenario
    services: "Connections"
    population: "Population"
    size: int


@dataclass(frozen=True, kw_only=True)
class BackendDescriptor(BackendTraits):
    """The declaration of a backend. Where a part is None, scenarios of this backend do not have that step.

    ``rules`` are the combinations of its options with other keys that are errors. ``needs`` looks, once the services of the
    plan answer, for what would go wrong; it changes nothing. ``unfit`` gives the reason why a person who exists already
    cannot be of this backend in a scenario, or None. ``keys_in`` gives what derives the private keys of the people whose run has
    this directory; it raises StateRefusedError for an account that is not of its keys. None when the run has no keys.
    """

    open: Callable[[RunContext], "Backend"]
    accounts: BackendPart
    registration: BackendPart | None = None
    gas: BackendPart | None = None
    faucet: BackendPart | None = None
    traffic: BackendPart | None = None
    rules: tuple[Rule, ...] = ()
    needs: Callable[[Survey], Sequence[Need]] = lambda survey: ()
    unfit: Callable[[Scenario, "Person"], str | None] = lambda scenario, person: None
    keys_in: "Callable[[Path], Callable[[Person], bytes]] | None" = None


def descriptor(scenario: Scenario) -> BackendDescriptor:
    """The backend that a scenario names."""
    return cast("BackendDescriptor", scenario.backend.traits)  # the vocabulary holds descriptors only


def backend_part(
    declared: Callable[[BackendDescriptor], BackendPart | None], executor: Callable[["Backend", str], "Executor"]
) -> Callable[[Scenario], Part | None]:
    """Makes the ``part`` function of a step that the scenario's backend carries out.

    ``declared`` takes the step's part from the descriptor; ``executor`` gets the executor from the opened backend.
    """

    def part(scenario: Scenario) -> Part | None:
        own = declared(descriptor(scenario))
        if own is None or not own.applies(scenario):
            return None
        return Part(
            own.summary, own.lane, lambda run, step: executor(run.backend, step), own.services, own.cost, own.money
        )

    return part
