"""Compares token balances with gift plus faucet payout, in base units. With payments, all of them are expected to be made.

With demurrage, balances shrink every minute, and a transfer may arrive one base unit short because of rounding.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.capabilities.payments import payments_in
from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import BALANCE_OF, Token, eth_call
from cicscenario.chain.reading import block_time
from cicscenario.chain.rpc import Call
from cicscenario.checks.work.onchain import by_calls
from cicscenario.people.person import Person

_ROUNDING = 2  # base units that may be lost by rounding: one for the gift, one for the faucet's payout


@dataclass(frozen=True)
class Bounds:
    """The bounds of a balance as factors of the expected one, and the tolerance for rounding in base units."""

    lower: Decimal = Decimal(1)
    upper: Decimal = Decimal(1)
    rounding: int = 0

    def admit(self, expected: int, found: int) -> bool:
        """Whether ``found`` is within the bounds; both amounts in base units."""
        least = int((expected * self.lower).to_integral_value(ROUND_FLOOR)) - self.rounding
        most = int((expected * self.upper).to_integral_value(ROUND_CEILING)) + self.rounding
        return least <= found <= most

    def __str__(self) -> str:
        return f"{(self.lower - 1) * 100:+.4f} % to {(self.upper - 1) * 100:+.4f} %, and {self.rounding} base units"


def bounds(context: RunContext, token: Token) -> Bounds:
    """The bounds for ``token`` at present."""
    adjust = context.scenario.checks.balance_adjust or Decimal(0)
    lower, upper, rounding = Decimal(1) + min(adjust, Decimal(0)), Decimal(1) + max(adjust, Decimal(0)), 0
    if token.decay is not None:
        # The chain's time may be ahead of the clock, and decay is applied per whole minute.
        minutes = max(block_time(context.services.chain.rpc), int(time.time())) // 60 - context.since // 60 + 1
        lower, rounding = lower * Decimal(token.decay) ** minutes, _ROUNDING
    return Bounds(lower, upper, rounding)


def _expectation(context: RunContext, token: Token) -> Callable[[Person], int]:
    """Gives the balance that a person should have, in base units."""
    contracts, scenario = context.services.chain.contracts, context.scenario
    left = payments_in(context).left if scenario.traffic else None
    gives = token == contracts.token and scenario.gift.method != "none"
    faucet = contracts.faucet
    paid = faucet.amount if faucet and scenario.faucet and faucet.token == token else 0

    def expected(person: Person) -> int:
        given = person.gift if left is None else left[person.id]
        return (token.base_units(given) if gives else 0) + paid

    return expected


def _tokens(context: RunContext) -> list[Token]:
    """The gift token, and the faucet's token if it is another."""
    contracts = context.services.chain.contracts
    tokens = [contracts.token]
    if contracts.faucet and context.scenario.faucet and contracts.faucet.token != contracts.token:
        tokens.append(contracts.faucet.token)
    return tokens


def verifier(context: RunContext) -> Verifier:
    """Compares the balance of each token that people are given."""
    verifiers = [_of_token(context, token) for token in _tokens(context)]

    def verify(people: Sequence[Person]) -> dict[int, str]:
        return {person: problem for one in verifiers for person, problem in one(people).items()}

    return verify


def _of_token(context: RunContext, token: Token) -> Verifier:
    expectation = _expectation(context, token)

    def balance_of(person: Person) -> Call:
        return eth_call(token.address, pack(BALANCE_OF, person.account))

    def verify(people: Sequence[Person]) -> dict[int, str]:
        limits = bounds(context, token)  # now: with demurrage they move every minute, and a check takes minutes
        exact = limits == Bounds()

        def problem(person: Person, found: int) -> str | None:
            expected = expectation(person)
            if found == expected if exact else limits.admit(expected, found):
                return None
            return f"{token.symbol} balance is {found} base units, expected {expected}"

        return by_calls(context, balance_of, problem)(people)

    return verify


def allowed(context: RunContext) -> str | None:
    """The bounds in words; None when the comparison is exact."""
    limits = {token.symbol: bounds(context, token) for token in _tokens(context)}
    said = [f"{symbol} {limit}" for symbol, limit in limits.items() if limit != Bounds()]
    return "; ".join(said) or None
