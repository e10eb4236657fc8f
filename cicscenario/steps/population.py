"""Makes the people, or reads those who exist: no service needed, one seed gives the same people everywhere."""

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.step import Batch, Executor, Lane, Part, Result, Step, everybody


def _executor(context: RunContext, step: str) -> Executor:
    def run(batch: Batch) -> Result:
        return Result(everybody(batch), people=[context.population.person(index) for index in batch.ids])

    return run


_PART = Part("make the people, or read those who exist", Lane.CPU, _executor)
STEP = Step("population", lambda scenario: _PART)
