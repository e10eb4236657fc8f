"""The check faucet: the account has used the token faucet."""

from collections.abc import Sequence

from cicscenario.capabilities.check import ON_CHAIN, Check
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import eth_call
from cicscenario.connections import Service
from cicscenario.errors import UnavailableError
from cicscenario.language import Condition
from cicscenario.people.person import Person


def _verifier(context: RunContext) -> Verifier:
    faucet = context.services.chain.contracts.faucet
    if faucet is None and context.scenario.backend.traits.custodial:
        return lambda people: {}  # the engine skips a faucet that does not exist
    if faucet is None:
        raise UnavailableError("the registry names no Faucet", hint="set `faucet: false` in the scenario")

    def verify(people: Sequence[Person]) -> dict[int, str]:
        answers = context.services.chain.rpc.calls(
            [eth_call(faucet.address, pack(faucet.probe, p.account)) for p in people]
        )
        return {
            p.id: "has not used the faucet"
            for p, answer in zip(people, answers, strict=True)
            if not faucet.used(answer)
        }

    return verify


CHECK = Check(
    "faucet",
    "the account has triggered the token faucet",
    (
        ON_CHAIN,
        Condition(lambda s: s.faucet, ("faucet",), "with `faucet: false`", "let the faucet be triggered"),
    ),
    _verifier,
    (Service.CHAIN,),
)
