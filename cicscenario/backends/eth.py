"""The backend eth: sovereign accounts. Each key is derived from one secret of the run; the run's signer pays all costs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cicscenario.backends import work
from cicscenario.capabilities.cost import Cost, Need, Pending, Sender, not_asked
from cicscenario.capabilities.descriptor import BackendDescriptor, BackendPart
from cicscenario.capabilities.money import FAUCET_CONTRACT, NATIVE, NATIVE_DECIMALS, SIGNER, Money, Sum, faucet_paid
from cicscenario.capabilities.step import Lane
from cicscenario.connections import Service
from cicscenario.language import KeyHolder, Scenario

if TYPE_CHECKING:
    from cicscenario.chain.session import ChainSession


class RegistrationCost(Cost):
    """The cost of registration. The signer must be a writer of the accounts index."""

    def needs(self, pending: Pending, session: "ChainSession") -> Sequence[Need]:
        return work.eth.registration_needs(session)

    def offline_needs(self, pending: Pending) -> Sequence[Need]:
        return [not_asked("may write to the accounts index", "yes")]


class GasCost(Cost):
    """The cost of gas gifts. Each transaction transfers native currency."""

    def native(self, scenario: Scenario) -> int:
        return scenario.gas

    def offline_needs(self, pending: Pending) -> Sequence[Need]:
        return [not_asked("native currency to give", needed=pending.left * pending.scenario.gas, unit="wei")]


class FaucetCost(Cost):
    """The cost of the faucet. The faucet needs the tokens that it pays out, unless it mints them."""

    def needs(self, pending: Pending, session: "ChainSession") -> Sequence[Need]:
        return work.eth.faucet_needs(pending, session)

    def offline_needs(self, pending: Pending) -> Sequence[Need]:
        return [not_asked("a faucet", "named by the registry")]


class TrafficCost(Cost):
    """The cost of payments. People send them and pay for their gas, so they need enough native currency."""

    def transactions(self, pending: Pending) -> int:
        return work.traffic.transactions_left(pending)

    def needs(self, pending: Pending, session: "ChainSession") -> Sequence[Need]:
        return work.traffic.needs(pending, session)

    def offline_needs(self, pending: Pending) -> Sequence[Need]:
        person, gas = work.traffic.most_gas(pending)
        return [not_asked(f"`gas` for the payments of person {person}, who makes most", needed=gas, unit="gas")]


_KEYSTORE = {
    "description": "The V3 keystore files, one per person; `eth` only.",
    "type": "object",
    "additionalProperties": False,
    "default": {},
    "examples": [{"kdf": "standard"}],
    "x-since": "0.1.0",
    "properties": {
        "kdf": {
            "description": "Strength of the key derivation of the V3 keystore files: `standard` is scrypt with N=2^18, about"
            " one second per person; `light` is N=2^12; `none` writes no keystore files.",
            "type": "string",
            "enum": ["standard", "light", "none"],
            "default": "light",
            "examples": ["standard", "none"],
            "x-since": "0.1.0",
        },
        "password": {
            "description": "The password of the keystore files: `file:` and a path relative to this file. When left out, a"
            " password is made for the run and kept in `keystore.password` of the run directory.",
            "type": "string",
            "format": "secret",
            "examples": ["file:keystore.password"],
            "x-since": "0.1.0",
        },
    },
}
_CHAIN = (Service.CHAIN,)

#: The gas figures were measured with anvil on the older contracts. The gas limit itself is estimated by the node.
BACKEND = BackendDescriptor(
    kind="eth",
    summary="each person has a key of their own, which the run holds",
    keys=KeyHolder.RUN,
    no_payments="",
    options={"keystore": _KEYSTORE},
    open=lambda run: work.eth.EthBackend(run),
    keys_in=lambda directory: work.eth.keys_in(directory),
    accounts=BackendPart("make a key for each person", Lane.CPU),
    registration=BackendPart(
        "add each account to the accounts index", Lane.CHAIN, _CHAIN, RegistrationCost(gas=76_000)
    ),
    gas=BackendPart(
        "give native currency for fees",
        Lane.CHAIN,
        _CHAIN,
        GasCost(gas=21_000),
        applies=lambda s: s.gas > 0,
        money=Money(
            lambda scenario: SIGNER, lambda done: Sum(done.scenario.gas * done.people, NATIVE_DECIMALS, NATIVE)
        ),
    ),
    faucet=BackendPart(
        "trigger the token faucet",
        Lane.CHAIN,
        _CHAIN,
        FaucetCost(gas=134_000),
        applies=lambda s: s.faucet,
        money=Money(lambda scenario: FAUCET_CONTRACT, faucet_paid),
    ),
    traffic=BackendPart(
        "have people pay each other",
        Lane.CHAIN,
        _CHAIN,
        TrafficCost(gas=72_500, sender=Sender.PEOPLE),
        applies=lambda s: s.traffic is not None,
    ),
)
