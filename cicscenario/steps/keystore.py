"""Writes V3 keystore files beside the chain work: deriving a file's key is slow on purpose."""

from cicscenario.steps.base import Batch, Context, Executor, Lane, Result, Step, everybody


def _executor(context: Context) -> Executor:
    def run(batch: Batch) -> Result:
        for person in batch.ids:
            context.backend.write_keyfile(person)
        return Result(everybody(batch))

    return run


STEP = Step(
    name="keystore",
    lane=Lane.KEYSTORE,
    after=("accounts",),
    applies=lambda scenario: scenario.backend.keystore.kdf != "none",
    executor=_executor,
    summary="write the keystore files",
)
