"""The check statement: the service that holds a person's key lists what the person has paid.

By phone, that is the statement in the menu, which also has what they were paid. Nothing is repaired: the lists are made by
cic-ussd and the custodial engine from what they have seen.
"""

from cicscenario.capabilities.check import ONE_BY_ONE, Check
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.remedy import LeftAlone, Remedy, always
from cicscenario.checks import work
from cicscenario.connections import Service
from cicscenario.invocation import going_on
from cicscenario.language import Condition, Scenario

_SAMPLE = 10  # one person in this many reads the statement, which takes six requests


def _allowed(context: RunContext) -> str | None:
    if not context.scenario.backend.traits.joins_by_phone:
        return None
    return (
        f"one person in {_SAMPLE} has read the statement by phone; it has nine transactions, and where a person has more, any"
        f" nine of theirs are taken for the last; to ask everybody: {going_on('verify', '--thorough')}"
    )


def _services(scenario: Scenario) -> tuple[Service, ...]:
    return (Service.USSD,) if scenario.backend.traits.joins_by_phone else (Service.CUSTODIAL,)


CHECK = Check(
    "statement",
    "the list of transactions of the custodial engine, or the statement by phone, has what the person has paid",
    (
        Condition(
            lambda s: s.traffic is not None,
            ("traffic",),
            "without `traffic`",
            "have people pay each other",
        ),
        Condition(
            lambda s: s.backend.traits.custodial,
            ("backend.kind",),
            "with a backend whose payments no service lists",
            "choose a backend whose keys the custodial engine holds",
        ),
    ),
    lambda run: work.statement.verifier(run, _SAMPLE),
    (Service.CHAIN,),
    more_services=_services,
    allowed=_allowed,
    remedy=Remedy(always(LeftAlone("what a service lists is made by itself, of what it has seen"))),
    thorough=lambda run: work.statement.verifier(run, 1),
    shows=("traffic",),
    batch=ONE_BY_ONE,
)
