"""Asks the token faucet who has used it."""

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import eth_call
from cicscenario.checks.work.onchain import by_calls
from cicscenario.errors import UnavailableError


def verifier(context: RunContext) -> Verifier:
    """Makes one call for each person."""
    faucet = context.services.chain.contracts.faucet
    if faucet is None and context.scenario.backend.traits.custodial:
        return lambda people: {}  # the engine skips a faucet that does not exist
    if faucet is None:
        raise UnavailableError("the registry names no Faucet", hint="set `faucet: false` in the scenario")
    return by_calls(
        context,
        lambda person: eth_call(faucet.address, pack(faucet.probe, person.account)),
        lambda person, answer: None if faucet.used(answer) else "has not used the faucet",
    )
