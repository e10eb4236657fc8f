"""The cost of a step that sends transactions, and the requirements that must be met before the first one is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from cicscenario.language import Scenario

if TYPE_CHECKING:
    from cicscenario.chain.session import ChainSession
    from cicscenario.people.population import Population
    from cicscenario.state.store import Store


class Sender(StrEnum):
    """Who sends the transactions of a step, and pays for their gas."""

    SIGNER = "signer"  #: the run's signer
    PEOPLE = "people"  #: people, with keys that the run holds
    SERVICE = "service"  #: a service that the run asks to


@dataclass(frozen=True)
class Need:
    """A requirement of a run, and what was found, in words. An amount is given as numbers too (``needed``, ``held``).

    ``ok`` is false only when the requirement is known to be unmet; it is true when the service was not ``asked``. With
    ``warns``, the run can go on, but what was found is worth knowing.
    """

    what: str
    needs: str
    has: str
    ok: bool
    hint: str = ""
    asked: bool = True
    needed: int | None = None
    held: int | None = None
    unit: str = ""  #: the unit of ``needed`` and ``held``
    warns: bool = False


def amount(what: str, needed: int, held: int, unit: str, hint: str) -> Need:
    """The need for an amount that was looked up."""
    words = f"{needed:,} {unit}", f"{held:,} {unit}"
    return Need(what, *words, held >= needed, hint, needed=needed, held=held, unit=unit)


def not_asked(what: str, needs: str = "an answer", *, needed: int | None = None, unit: str = "") -> Need:
    """A need whose service was not asked, so it is unknown whether the need is met."""
    words = needs if needed is None else f"{needed:,} {unit}"
    return Need(what, words, "not asked", ok=True, asked=False, needed=needed, unit=unit)


@dataclass(frozen=True)
class Pending:
    """The work that is left in a step: ``left`` people have no transaction that is known to be mined.

    ``state`` is None when the scenario has not been run yet; then the whole population is left. ``at_most``: for people who are
    not made yet, the greatest gift is enough, since theirs would have to be drawn one by one.
    """

    step: str
    scenario: Scenario
    population: "Population"
    size: int
    left: int
    state: "Store | None"
    at_most: bool = False

    @cached_property
    def gifts(self) -> tuple[int, int]:
        """The number of gifts above 0 that are still to be sent, and their sum in whole tokens. Scans the population."""
        number, total = self.state.gifts_without(self.step) if self.state else (0, 0)
        if self.at_most and self.scenario.population.source is None:
            absent = self.size - (self.state.population() if self.state else 0)
            return number + absent, total + absent * self.scenario.gift.threshold
        given = self.state.mined_people(self.step) if self.state else set()  # also people who are not in the state yet
        for index in self.state.absent(self.size) if self.state else range(self.size):
            if index in given:
                continue
            gift = self.population.gift(index)
            number, total = number + (gift > 0), total + gift
        return number, total


@dataclass(frozen=True)
class Cost:
    """The cost of a step that sends one transaction per person. Subclasses override what differs.

    ``gas`` is the expected gas use of one transaction, rounded up; 0 for those of a service.
    """

    gas: int
    sender: Sender = Sender.SIGNER

    def transactions(self, pending: Pending) -> int:
        """The number of transactions still to be sent."""
        return pending.left

    def tokens(self, pending: Pending) -> int:
        """The whole tokens that the signer still has to give."""
        return 0

    def native(self, scenario: Scenario) -> int:
        """The native currency that one transaction transfers, in wei."""
        return 0

    def needs(self, pending: Pending, session: "ChainSession") -> Sequence[Need]:
        """The tokens and roles that the signer needs, looked up on the chain. Native currency is counted elsewhere."""
        return ()

    def offline_needs(self, pending: Pending) -> Sequence[Need]:
        """The same needs when the chain cannot be asked."""
        return ()
