"""The check traffic: each payment is on the chain once, with its amount, payer and payee.

Nothing is repaired: what was paid is not paid again, and a payment that was not made is made by the next run.
"""

from cicscenario.capabilities.check import Check
from cicscenario.capabilities.remedy import LeftAlone, Remedy, always
from cicscenario.checks import work
from cicscenario.connections import Service
from cicscenario.language import Condition

CHECK = Check(
    "traffic",
    "each payment that a person makes is on the chain once, with its amount and its payee",
    (
        Condition(
            lambda s: s.traffic is not None and not s.backend.traits.no_payments,
            ("traffic", "backend.kind"),
            "without `traffic`",
            "have people pay each other",
        ),
    ),
    lambda run: work.traffic.verifier(run),
    (Service.CHAIN,),
    remedy=Remedy(always(LeftAlone("payments are never repaired; one that was not made is made when the run goes on"))),
    batch=4000,  # for each batch, all blocks since the start are read
)
