"""The check pins: the phone interface's account table has the hash of the person's PIN."""

from cicscenario.capabilities.check import Check
from cicscenario.checks import work
from cicscenario.checks.account_table_remedy import account_table_remedy
from cicscenario.connections import Service
from cicscenario.invocation import going_on
from cicscenario.language import Condition, Scenario

_SAMPLE = 20  # one PIN in this many is verified against its hash, because that is as slow as hashing


def _sampled(scenario: Scenario) -> str | None:
    if scenario.pins is None or scenario.pins.source:
        return None  # hashes that are brought are all compared
    return (
        f"one PIN in {_SAMPLE} was verified against its hash; for the others, the form of the hash was;"
        f" to verify all: {going_on('verify', '--thorough')}"
    )


CHECK = Check(
    "pins",
    "the account table has a hash of the person's PIN",
    (Condition(lambda s: s.pins is not None, ("pins",), "without `pins`", "add `pins` to the scenario"),),
    lambda run: work.pins.verifier(run, _SAMPLE),
    (Service.ACCOUNTS,),
    lambda context: _sampled(context.scenario),
    remedy=account_table_remedy("pins", "the hash of the scenario's PIN is written again"),
    thorough=lambda run: work.pins.verifier(run, 1),
)
