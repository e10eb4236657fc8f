"""The check faucet: the account has used the token faucet."""

from cicscenario.capabilities.check import ON_CHAIN, Check
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import eth_call
from cicscenario.checks import work
from cicscenario.checks.onchain_remedy import on_chain_remedy
from cicscenario.connections import Service
from cicscenario.errors import UnavailableError
from cicscenario.language import Condition


def _verifier(context: RunContext) -> Verifier:
    faucet = context.services.chain.contracts.faucet
    if faucet is None and context.scenario.backend.traits.custodial:
        return lambda people: {}  # the engine skips a faucet that does not exist
    if faucet is None:
        raise UnavailableError("the registry names no Faucet", hint="set `faucet: false` in the scenario")
    return work.onchain.by_calls(
        context,
        lambda person: eth_call(faucet.address, pack(faucet.probe, person.account)),
        lambda person, answer: None if faucet.used(answer) else "has not used the faucet",
    )


CHECK = Check(
    "faucet",
    "the account has triggered the token faucet",
    (
        ON_CHAIN,
        Condition(lambda s: s.faucet, ("faucet",), "with `faucet: false`", "let the faucet be triggered"),
    ),
    _verifier,
    (Service.CHAIN,),
    remedy=on_chain_remedy(
        "faucet",
        "the faucet is triggered",
        arrived="the chain has the transaction that triggered the faucet: another one would pay a second time",
    ),
)
