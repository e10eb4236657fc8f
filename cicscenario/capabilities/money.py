"""What people are given in a step, and by whom: for reports, which show where the money went."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cicscenario.language import Scenario

if TYPE_CHECKING:
    from cicscenario.connections import Connections
    from cicscenario.state.store import Store

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


def faucet_paid(done: Done) -> Sum | None:
    """What the faucet has paid to these people; the chain says how much it pays to each."""
    faucet = done.services.chain.contracts.faucet if done.services and done.services.chain_is_known else None
    return Sum(faucet.amount * done.people, faucet.token.decimals, faucet.token.symbol) if faucet else None
