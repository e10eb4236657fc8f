"""The check faucet: the account has used the token faucet."""

from cicscenario.capabilities.check import ON_CHAIN, Check
from cicscenario.checks import work
from cicscenario.checks.onchain_remedy import on_chain_remedy
from cicscenario.connections import Service
from cicscenario.language import Condition

CHECK = Check(
    "faucet",
    "the account has triggered the token faucet",
    (
        ON_CHAIN,
        Condition(lambda s: s.faucet, ("faucet",), "with `faucet: false`", "let the faucet be triggered"),
    ),
    lambda run: work.faucet.verifier(run),
    (Service.CHAIN,),
    remedy=on_chain_remedy(
        "faucet",
        "the faucet is triggered",
        arrived="the chain has the transaction that triggered the faucet: another one would pay a second time",
    ),
)
