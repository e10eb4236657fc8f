"""Asks the accounts index who is registered in it."""

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import HAVE, eth_call
from cicscenario.checks.work.onchain import by_calls


def verifier(context: RunContext) -> Verifier:
    """Makes one call for each person."""
    index = context.services.chain.contracts.accounts_index
    return by_calls(
        context,
        lambda person: eth_call(index, pack(HAVE, person.account)),
        lambda person, has: None if has == 1 else "not registered in the accounts index",
    )
