"""The step population: generates the people from the seed, or reads them from ``population.from``. Needs no service."""

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Executor, Result
from cicscenario.capabilities.step import Lane, Part, Step


def _executor(context: RunContext, step: str) -> Executor:
    def run(batch: Batch) -> Result:
        for index in batch.ids:
            if context.stopping.is_set():
                break
            batch.result.created(context.population.person(index))
        return batch.result

    return run


_PART = Part("make the people, or read them from `population.from`", Lane.CPU, _executor)
STEP = Step("population", lambda scenario: _PART)
