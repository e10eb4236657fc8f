"""The step gift: sends each person's opening balance, by transfer or by minting."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cicscenario.capabilities.cost import Cost, Need, Pending, not_asked
from cicscenario.capabilities.money import MINT, SIGNER, Done, Money, Sum, symbol
from cicscenario.capabilities.step import Lane, Part, Step
from cicscenario.connections import Service
from cicscenario.language import Scenario
from cicscenario.steps import registration, work

if TYPE_CHECKING:
    from cicscenario.chain.session import ChainSession


class GiftCost(Cost):
    """The cost of gifts. Only gifts above 0 need a transaction. The signer needs the tokens, or the right to mint them."""

    def transactions(self, pending: Pending) -> int:
        return pending.gifts[0] if pending.left else 0

    def tokens(self, pending: Pending) -> int:
        return pending.gifts[1]

    def needs(self, pending: Pending, session: "ChainSession") -> Sequence[Need]:
        return work.gift.needs(pending.scenario, self.tokens(pending), session)

    def offline_needs(self, pending: Pending) -> Sequence[Need]:
        token = pending.scenario.gift.token or "the default token"
        verb = "mint" if pending.scenario.gift.method == "mint" else "give"
        return [not_asked(f"{token} to {verb}", needed=self.tokens(pending), unit="whole tokens")]


def _part(scenario: Scenario) -> Part | None:
    """People from ``population.from`` have their gifts from there, so the step applies to them without a threshold."""
    given = scenario.gift.threshold > 0 or scenario.population.source is not None
    gives = scenario.backend.traits.makes_accounts and scenario.gift.method != "none" and given
    return _PART if gives else None


def _given(done: Done) -> Sum:
    return Sum(done.state.gifts_mined(done.step), 0, symbol(done))


_PART = Part(
    "send the opening balance",
    Lane.CHAIN,
    lambda run, step: work.gift.executor(run, step),
    (Service.CHAIN,),
    GiftCost(gas=72_500),
    Money(lambda scenario: MINT if scenario.gift.method == "mint" else SIGNER, _given),
)
STEP = Step("gift", _part, after=(registration.STEP.name,), lacking="no gift")
