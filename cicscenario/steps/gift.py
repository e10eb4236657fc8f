"""The step gift: sends each person's opening balance, by transfer or by minting."""

from collections.abc import Sequence

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.cost import PROBE_ADDRESS, Cost, Need, Pending, amount, not_asked, role
from cicscenario.capabilities.executor import Executor
from cicscenario.capabilities.money import MINT, SIGNER, Done, Money, Sum, symbol
from cicscenario.capabilities.sending import TransactionExecutor
from cicscenario.capabilities.step import Lane, Part, Step
from cicscenario.chain.abi import pack, to_hex
from cicscenario.chain.contracts import BALANCE_OF, MINT_TO, TRANSFER, eth_call
from cicscenario.chain.ledger import Intent
from cicscenario.chain.reading import numbers
from cicscenario.chain.session import ChainSession
from cicscenario.connections import Service
from cicscenario.language import Scenario
from cicscenario.people.person import Person
from cicscenario.steps import registration


def _intent(context: RunContext, person: Person) -> Intent | None:
    if not person.gift:
        return None
    token = context.services.chain.contracts.token
    function = MINT_TO if context.scenario.gift.method == "mint" else TRANSFER
    return Intent(person.id, token.address, pack(function, person.account, token.base_units(person.gift)))


class GiftCost(Cost):
    """The cost of gifts. Only gifts above 0 need a transaction. The signer needs the tokens, or the right to mint them."""

    def transactions(self, pending: Pending) -> int:
        return pending.gifts[0] if pending.left else 0

    def tokens(self, pending: Pending) -> int:
        return pending.gifts[1]

    def needs(self, pending: Pending, session: ChainSession) -> Sequence[Need]:
        token, signer = session.contracts.token, session.signer.address
        if pending.scenario.gift.method == "mint":
            hint = f"make {to_hex(signer)} a minter of {to_hex(token.address)}"
            return [role(session, f"mint {token.symbol}", token.address, pack(MINT_TO, PROBE_ADDRESS, 1), hint)]
        (held,) = numbers(session.rpc, [eth_call(token.address, pack(BALANCE_OF, signer))])
        hint = f"send {token.symbol} to {to_hex(signer)}, or use `gift.method: mint`"
        needed = token.base_units(self.tokens(pending))
        return [amount(f"{token.symbol} to give", needed, held, "base units", hint)]

    def offline_needs(self, pending: Pending) -> Sequence[Need]:
        token = pending.scenario.gift.token or "the default token"
        verb = "mint" if pending.scenario.gift.method == "mint" else "give"
        return [not_asked(f"{token} to {verb}", needed=self.tokens(pending), unit="whole tokens")]


def _executor(context: RunContext, step: str) -> Executor:
    return TransactionExecutor(context, step, _intent)


def _part(scenario: Scenario) -> Part | None:
    """People from ``population.from`` have their gifts from there, so the step applies to them without a threshold."""
    given = scenario.gift.threshold > 0 or scenario.population.source is not None
    gives = scenario.backend.traits.makes_accounts and scenario.gift.method != "none" and given
    return _PART if gives else None


def _given(done: Done) -> Sum:
    return Sum(done.state.gifts_mined(done.step), 0, symbol(done))


_MONEY = Money(lambda scenario: MINT if scenario.gift.method == "mint" else SIGNER, _given)
_PART = Part("send the opening balance", Lane.CHAIN, _executor, (Service.CHAIN,), GiftCost(gas=72_500), _MONEY)
STEP = Step("gift", _part, after=(registration.STEP.name,), lacking="no gift")
