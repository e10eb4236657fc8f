"""Asks the chain for the native currency of accounts."""

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.chain.abi import to_hex
from cicscenario.checks.work.onchain import by_calls


def verifier(context: RunContext) -> Verifier:
    """Makes one call for each person."""
    return by_calls(
        context,
        lambda person: ("eth_getBalance", [to_hex(person.account), "latest"]),
        lambda person, wei: None if wei else "has no native currency for fees",
    )
