"""What people are given in a step, and by whom: for reports, which show where the money went."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cicscenario.language import Scenario

if TYPE_CHECKING:
    from cicscenario.chain.session import ChainSession
    from cicscenario.connections import Connections
    from cicscenario.state.store import Store

_SYMBOL, _FAUCET = "symbol", "faucet"  # in the state: of the gift token; what the faucet pays to each person
NATIVE, NATIVE_DECIMALS = "native currency", 18
SIGNER, MINT, ENGINE, FAUCET_CONTRACT = "the signer", "the mint", "the custodial engine", "the faucet"


@dataclass(frozen=True)
class Sum:
    """An amount in base units, and what it is of."""

    units: int
    decimals: int
    symbol: str

    def __str__(self) -> str:
        whole, rest = divmod(self.units, 10**self.decimals)
        part = f"{rest:0{self.decimals}}".rstrip("0") if rest else ""
        return f"{whole:,}{'.' if part else ''}{part} {self.symbol}"


@dataclass(frozen=True)
class Done:
    """What a step has done: ``people`` are those for whom it is done. ``services`` is None when no service was asked."""

    step: str
    people: int
    scenario: Scenario
    state: "Store"
    services: "Connections | None"


@dataclass(frozen=True)
class Money:
    """The money of a step. ``giver`` says who gives it in a scenario; ``total`` is what was given, None if it is not known."""

    giver: Callable[[Scenario], str]
    total: Callable[[Done], Sum | None]


def said_by_chain(session: "ChainSession") -> dict[str, str]:
    """What the chain says about money, as values of the state: reports that ask no service need them, too."""
    contracts = session.contracts
    said = {_SYMBOL: contracts.token.symbol, _FAUCET: ""}
    if contracts.faucet:
        token = contracts.faucet.token
        said[_FAUCET] = f"{contracts.faucet.amount} {token.decimals} {token.symbol}"
    return said


def symbol(done: Done) -> str:
    """The symbol of the gift token; ``tokens`` where it is not known."""
    return symbol_in(_said(done), done.scenario)


def symbol_in(held: Mapping[str, str], scenario: Scenario) -> str:
    """The same by the values of a state."""
    return held.get(_SYMBOL) or scenario.gift.token or "tokens"


def faucet_paid(done: Done) -> Sum | None:
    """What the faucet has paid to these people; the chain says how much it pays to each."""
    if not (said := _said(done).get(_FAUCET)):
        return None
    amount, decimals, name = said.split(" ", 2)
    return Sum(int(amount) * done.people, int(decimals), name)


def _said(done: Done) -> dict[str, str]:
    """What the chain says now, if it was asked, or what it said when the run went on for the last time."""
    if done.services and done.services.chain_is_known:
        return said_by_chain(done.services.chain)
    return done.state.meta()
