"""The check accounts_index: the account is registered in the accounts index."""

from cicscenario.capabilities.check import ON_CHAIN, Check
from cicscenario.checks import work
from cicscenario.checks.onchain_remedy import on_chain_remedy
from cicscenario.connections import Service

_AGAIN = "the account is registered"
CHECK = Check(
    "accounts_index",
    "the account is in the accounts index",
    (ON_CHAIN,),
    lambda run: work.accounts_index.verifier(run),
    (Service.CHAIN,),
    remedy=on_chain_remedy("registration", _AGAIN, further=f"{_AGAIN} again"),
    shows=("registration",),
)
