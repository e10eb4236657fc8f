"""What the custodial backends declare alike: the engine registers accounts, gives gas and triggers the faucet."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cicscenario.backends import work
from cicscenario.capabilities.cost import Cost, Need, Pending, Sender
from cicscenario.capabilities.descriptor import BackendPart
from cicscenario.capabilities.money import ENGINE, FAUCET_CONTRACT, Money, faucet_paid
from cicscenario.capabilities.step import Lane
from cicscenario.connections import Service

if TYPE_CHECKING:
    from cicscenario.chain.session import ChainSession

REGISTRATION = BackendPart("wait for the engine to register each account", Lane.SERVICE, (Service.CHAIN,))
GAS = BackendPart(
    "wait for the engine to give gas",
    Lane.SERVICE,
    (Service.CHAIN,),
    money=Money(lambda scenario: ENGINE, lambda done: None),  # the engine's own setting says how much
)
FAUCET = BackendPart(
    "wait for the engine to trigger the faucet",
    Lane.SERVICE,
    (Service.CHAIN,),
    money=Money(lambda scenario: FAUCET_CONTRACT, faucet_paid),
)


class AskedTrafficCost(Cost):
    """The cost of payments that a service is asked for: it sends them, and nobody of the run pays for their gas."""

    def transactions(self, pending: Pending) -> int:
        return work.traffic.transactions_left(pending)

    def needs(self, pending: Pending, session: "ChainSession") -> Sequence[Need]:
        return work.traffic.token_needs(session)


TRAFFIC_COST = AskedTrafficCost(gas=0, sender=Sender.SERVICE)

PATIENCE = {
    "description": "Time limit in seconds for waits in which nobody progresses and no service moves (a stall timer). At half"
    " of it, the engine is asked once more to register the accounts and give gas, for one person after the other; after it,"
    " the wait ends and a later run resumes. `cic_eth` and `cic_ussd` only.",
    "type": "number",
    "exclusiveMinimum": 0,
    "maximum": 86400,
    "default": 120,
    "examples": [30],
    "x-since": "0.1.0",
    "x-unit": "seconds",
}
