"""The check ussd_data: the phone interface's account table has the person's status and language."""

from cicscenario.capabilities.check import Check
from cicscenario.checks import work
from cicscenario.checks.account_table_remedy import account_table_remedy
from cicscenario.connections import Service
from cicscenario.language import Condition

CHECK = Check(
    "ussd_data",
    "the account table has the person's status and language",
    (Condition(lambda s: s.ussd_data, ("ussd_data",), "without `ussd_data`", "set `ussd_data: true`"),),
    lambda run: work.ussd_data.verifier(run),
    (Service.ACCOUNTS,),
    remedy=account_table_remedy("ussd_data", "status and language are written again"),
)
