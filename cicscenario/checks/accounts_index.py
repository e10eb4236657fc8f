"""The check accounts_index: the account is registered in the accounts index."""

from cicscenario.capabilities.check import ON_CHAIN, Check
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import HAVE, eth_call
from cicscenario.checks import work
from cicscenario.checks.onchain_remedy import on_chain_remedy
from cicscenario.connections import Service


def _verifier(context: RunContext) -> Verifier:
    index = context.services.chain.contracts.accounts_index
    return work.onchain.by_calls(
        context,
        lambda person: eth_call(index, pack(HAVE, person.account)),
        lambda person, has: None if has == 1 else "not registered in the accounts index",
    )


_AGAIN = "the account is registered"
CHECK = Check(
    "accounts_index",
    "the account is in the accounts index",
    (ON_CHAIN,),
    _verifier,
    (Service.CHAIN,),
    remedy=on_chain_remedy("registration", _AGAIN, further=f"{_AGAIN} again"),
    shows=("registration",),
)
