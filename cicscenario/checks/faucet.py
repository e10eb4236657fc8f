"""Has the account used the token faucet?"""

from collections.abc import Sequence

from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import eth_call
from cicscenario.checks.base import Check, CheckContext, Verifier, account, on_chain
from cicscenario.connections import Service
from cicscenario.errors import UnavailableError
from cicscenario.state.store import PersonRow


def _verifier(context: CheckContext) -> Verifier:
    faucet = context.services.chain.contracts.faucet
    if faucet is None and context.scenario.backend.custodial:
        return lambda people: {}  # the engine triggers what there is
    if faucet is None:
        raise UnavailableError("the registry names no Faucet", hint="set `faucet: false` in the scenario")

    def verify(people: Sequence[PersonRow]) -> dict[int, str]:
        answers = context.services.chain.rpc.calls(
            [eth_call(faucet.address, pack(faucet.probe, account(p))) for p in people]
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
    lambda scenario: on_chain(scenario) and scenario.faucet,
    _verifier,
    (Service.CHAIN,),
)
