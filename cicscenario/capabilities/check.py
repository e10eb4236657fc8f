"""A check verifies one fact about every person by asking the services."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.capabilities.remedy import Remedy
from cicscenario.connections import Service
from cicscenario.language import Condition, Scenario


class NotKnown(str):
    """A person's problem: the service could not be asked about this person, so nothing is known."""

    __slots__ = ()


ONE_BY_ONE = 100  #: people in a batch of a check that takes milliseconds for each of them


@dataclass(frozen=True)
class Check:
    """The declaration of a check. It applies to scenarios that meet all ``conditions``.

    It asks ``services``, and ``more_services``, which depend on the scenario.

    ``allowed`` describes the tolerance of the comparison in words; it gives None when the comparison is exact.
    ``read_back_by`` names a step that asks the same question about each person after writing: a run does not ask it again,
    unless ``doubtful`` says that the service may have lost since what it had. ``shows`` names the steps whose result the check
    looks at, beside the one that has its own name: for a person for whom such a step failed, it cannot pass.

    ``remedy`` is how a repair makes again what is gone or wrong; None: it is left alone. ``thorough`` makes a slower verifier,
    for a check that looks closely at some people only: `verify --thorough` asks it about everybody, and so does a repair when the
    quick one finds anything.

    ``batch`` is how many people are asked about at a time. What a check has found so far is told after each batch.
    """

    name: str
    summary: str
    conditions: tuple[Condition, ...]
    verifier: Callable[[RunContext], Verifier]
    services: tuple[Service, ...] = ()
    allowed: Callable[[RunContext], str | None] = lambda context: None
    read_back_by: str | None = None
    doubtful: Callable[[RunContext], bool] = lambda context: False
    remedy: Remedy | None = None
    thorough: Callable[[RunContext], Verifier] | None = None
    shows: tuple[str, ...] = ()
    batch: int = 500
    more_services: Callable[[Scenario], tuple[Service, ...]] = lambda scenario: ()

    def closely(self) -> "Check":
        """The same check with its thorough verifier, if it has one; what it compares is exact then."""
        if self.thorough is None:
            return self
        return replace(self, verifier=self.thorough, allowed=lambda context: None, read_back_by=None, batch=ONE_BY_ONE)

    def asks(self, scenario: Scenario) -> tuple[Service, ...]:
        """The services that it asks for this scenario."""
        return (*self.services, *self.more_services(scenario))

    def applies(self, scenario: Scenario) -> bool:
        """Whether the scenario meets all conditions."""
        return all(condition.holds(scenario) for condition in self.conditions)


#: The condition of checks that look at the chain: the run makes accounts there.
ON_CHAIN = Condition(
    lambda scenario: scenario.backend.traits.makes_accounts,
    ("backend.kind",),
    "with a backend that sends nothing to the chain",
    "choose a backend that makes accounts",
)
