"""Writes V3 keystore files beside the chain work: deriving a file's key is slow on purpose."""

from cicscenario.backends.eth import EthBackend
from cicscenario.steps.base import Batch, Context, Executor, Lane, Result, Step, everybody


def _executor(context: Context) -> Executor:
    backend = context.backend
    assert isinstance(backend, EthBackend)  # the only one whose keys we hold

    def run(batch: Batch) -> Result:
        for person in batch.ids:
            backend.write_keyfile(person)
        return Result(everybody(batch))

    return run


STEP = Step(
    name="keystore",
    lane=Lane.BESIDE,
    after=("accounts",),
    applies=lambda scenario: scenario.backend.kind == "eth" and scenario.backend.keystore.kdf != "none",
    executor=_executor,
    summary="write the keystore files",
)
