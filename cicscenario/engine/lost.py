"""Finds people whose result of a step is gone, so that the run repeats the step. The step declares how to find them."""

from cicscenario.capabilities.context import RunContext
from cicscenario.plan.compile import Plan
from cicscenario.state.rows import Outcome


def reopen_lost(plan: Plan, context: RunContext) -> None:
    """Marks the step as failed for people whose result is gone. Asks no service; only repeatable steps are looked at."""
    for planned in plan.steps:
        step = planned.step
        if step.lost is None or not step.repeatable:
            continue
        verifier = step.lost(context)
        for people in context.state.pages(through=step.name):
            lost = verifier([person for person in people if person.address is not None])
            if lost:
                context.state.commit(step.name, [Outcome(who, ok=False, detail=why) for who, why in lost.items()])
