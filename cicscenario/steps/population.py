"""The step population: generates the people from the seed, or reads them from ``population.from``. Needs no service."""

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Executor, Result
from cicscenario.capabilities.step import Lane, Part, Step
from cicscenario.errors import InvalidError


def _executor(context: RunContext, step: str) -> Executor:
    def run(batch: Batch) -> Result:
        for index in batch.ids:
            if context.stopping.is_set():
                break
            try:
                batch.result.created(context.population.person(index))
            except InvalidError as error:  # the file of this person has changed since the source was opened
                batch.result.fail(index, error.message)
        return batch.result

    return run


_PART = Part("make the people, or read them from `population.from`", Lane.CPU, _executor)
STEP = Step("population", lambda scenario: _PART, lacking="no data")
