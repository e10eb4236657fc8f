"""Makes the people, or reads those who exist: no service needed, one seed gives the same people everywhere."""

import json

from cicscenario.state.store import PersonRow
from cicscenario.steps.base import Batch, Context, Executor, Lane, Result, Step, everybody


def _executor(context: Context) -> Executor:
    def run(batch: Batch) -> Result:
        made = (context.population.person(index) for index in batch.ids)
        people = [
            PersonRow(p.index, json.dumps(p.document), p.phone, p.language, tuple(p.tags), p.old_address, p.gift, None)
            for p in made
        ]
        return Result(everybody(batch), people=people)

    return run


STEP = Step(
    name="population",
    lane=Lane.CPU,
    after=(),
    applies=lambda scenario: True,
    executor=_executor,
    summary="make the people, or read those who exist",
)
