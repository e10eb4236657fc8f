"""The check gas: the account has native currency for fees."""

from cicscenario.capabilities.check import ON_CHAIN, Check
from cicscenario.checks import work
from cicscenario.checks.onchain_remedy import on_chain_remedy
from cicscenario.connections import Service
from cicscenario.language import Condition

CHECK = Check(
    "gas",
    "the account has native currency for fees",
    (
        ON_CHAIN,
        Condition(
            lambda s: s.backend.traits.custodial or s.gas > 0,
            ("gas", "backend.kind"),
            "with `gas: 0`",
            "give people gas",
        ),
    ),
    lambda run: work.gas.verifier(run),
    (Service.CHAIN,),
    remedy=on_chain_remedy("gas", "gas is sent", further="the gas that was sent is spent, and as much is sent again"),
)
