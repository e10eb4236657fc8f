"""Has steps done again whose result is gone: each step says how that is seen."""

from cicscenario.capabilities.context import RunContext
from cicscenario.plan.compile import Plan
from cicscenario.state.rows import Outcome


def reopen_lost(plan: Plan, context: RunContext) -> None:
    """Looks at the results that can be seen without asking a service, and opens the step again for whom one is gone."""
    for planned in plan.steps:
        step = planned.step
        if step.lost is None or not step.repeatable:
            continue
        verifier = step.lost(context)
        for people in context.state.pages(through=step.name):
            lost = verifier([person for person in people if person.address is not None])
            if lost:
                context.state.commit(step.name, [Outcome(who, ok=False, detail=why) for who, why in lost.items()])
