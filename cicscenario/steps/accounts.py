"""Gives everybody an account: with the ``eth`` backend a key of their own."""

from cicscenario.steps.base import Batch, Context, Executor, Lane, Result, Step, everybody


def _executor(context: Context) -> Executor:
    def run(batch: Batch) -> Result:
        return Result(everybody(batch), addresses=[(person, context.backend.address(person)) for person in batch.ids])

    return run


STEP = Step(
    name="accounts",
    lane=Lane.CPU,
    after=("population",),
    applies=lambda scenario: True,
    executor=_executor,
    summary="make a key for each person",
)
