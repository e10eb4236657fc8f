"""Writes V3 keystore files beside the chain work: deriving a file's key is slow on purpose."""

from pathlib import Path

from cicscenario.backends.eth import EthBackend, keyfile_path
from cicscenario.state.store import Outcome, Store
from cicscenario.steps.base import Batch, Context, Executor, Lane, Result, Step

_PAGE = 1000


def _executor(context: Context) -> Executor:
    backend = context.backend
    assert isinstance(backend, EthBackend)  # the only one whose keys we hold

    def run(batch: Batch) -> Result:
        outcomes = []
        for person in batch.people:
            if context.stopping.is_set():
                break
            backend.write_keyfile(person)
            outcomes.append(Outcome(person.id, ok=True))
        return Result(outcomes)

    return run


def reopen_lost(store: Store, directory: Path) -> None:
    """Has the step done again for people whose keystore file is gone: it can be written again at any time."""
    for first in range(0, store.population(), _PAGE):
        done = store.done("keystore", first, first + _PAGE)
        lost = [
            Outcome(person.id, ok=False, detail="the keystore file is gone")
            for person in (store.people(first, first + _PAGE) if done else ())
            if person.id in done and person.address and not keyfile_path(directory, person.address).exists()
        ]
        if lost:
            store.commit("keystore", lost)


STEP = Step(
    name="keystore",
    lane=Lane.BESIDE,
    after=("accounts",),
    applies=lambda scenario: scenario.backend.kind == "eth" and scenario.backend.keystore.kdf != "none",
    executor=_executor,
    summary="write the keystore files",
)
