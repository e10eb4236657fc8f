"""The check balance: the token balance is exactly gift plus faucet payout, and what payments have left of it, in base units.

The comparison has bounds for tokens with demurrage and with ``balance_adjust``; the report names them.
"""

from cicscenario.capabilities.check import ON_CHAIN, Check
from cicscenario.capabilities.remedy import Remedy
from cicscenario.checks import work
from cicscenario.connections import Service

_GIFT, _FAUCET, _TRAFFIC = "gift", "faucet", "traffic"  # the steps that pay

CHECK = Check(
    "balance",
    "the balance is gift plus faucet payout, and what payments have left of it",
    (ON_CHAIN,),
    lambda run: work.balance.verifier(run),
    (Service.CHAIN,),
    lambda run: work.balance.allowed(run),
    remedy=Remedy(lambda run, people, problems: work.arrival.judge(run, people, problems), (_GIFT,)),
    shows=(_GIFT, _FAUCET, _TRAFFIC),
)
