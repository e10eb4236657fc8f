"""The check custodial_key: the custodial engine holds the account's key."""

from cicscenario.capabilities.check import Check
from cicscenario.capabilities.remedy import LeftAlone, Remedy, always
from cicscenario.checks import work
from cicscenario.connections import Service
from cicscenario.language import Condition

CHECK = Check(
    "custodial_key",
    "the custodial engine holds the account's key",
    (
        Condition(
            lambda s: s.backend.traits.custodial,
            ("backend.kind",),
            "with a backend that is not custodial",
            "choose a backend whose keys the custodial engine holds",
        ),
    ),
    lambda run: work.custodial_key.verifier(run),
    (Service.CUSTODIAL,),
    remedy=Remedy(always(LeftAlone("only the custodial engine has its keys: a key that it lost cannot be made again"))),
    shows=("accounts",),
)
