"""The check ussd_data: the phone interface's account table has the person's status and language."""

from cicscenario.capabilities.check import Check
from cicscenario.capabilities.remedy import repeated
from cicscenario.checks import work
from cicscenario.connections import Service
from cicscenario.language import Condition

CHECK = Check(
    "ussd_data",
    "the account table has the person's status and language",
    (Condition(lambda s: s.ussd_data, ("ussd_data",), "without `ussd_data`", "set `ussd_data: true`"),),
    lambda run: work.ussd_data.verifier(run),
    (Service.ACCOUNTS,),
    remedy=repeated("ussd_data", "status and language are written again"),
)
