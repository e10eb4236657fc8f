"""What a check is: a question about every person that only the services can answer."""

from collections.abc import Callable
from dataclasses import dataclass

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.connections import Service
from cicscenario.language import Condition, Scenario


@dataclass(frozen=True)
class Check:
    """One verification. It applies where all ``conditions`` hold.

    ``allowed`` says what a bounded comparison lets pass, or None when it is exact.
    """

    name: str
    summary: str
    conditions: tuple[Condition, ...]
    verifier: Callable[[RunContext], Verifier]
    services: tuple[Service, ...] = ()
    allowed: Callable[[RunContext], str | None] = lambda context: None

    def applies(self, scenario: Scenario) -> bool:
        """Whether it has something to look at."""
        return all(condition.holds(scenario) for condition in self.conditions)


#: The run puts something on the chain that can be looked for there.
ON_CHAIN = Condition(
    lambda scenario: scenario.backend.traits.makes_accounts,
    ("backend.kind",),
    "with a backend that sends nothing to the chain",
    "choose a backend that makes accounts",
)
