"""Writes V3 keystore files."""

from cicscenario.capabilities.context import KEYSTORE, RunContext
from cicscenario.capabilities.executor import Batch, Executor, Result
from cicscenario.chain.keyfile import encrypt, problem_of, write_keyfile
from cicscenario.files import inner_folder
from cicscenario.state.directory import run_secret


def executor(context: RunContext) -> Executor:
    """Writes the file of each person who has none that is complete."""
    kdf: str = context.scenario.backend.option("keystore.kdf")
    password = _password(context)

    def run(batch: Batch) -> Result:
        inner_folder(context.directory / KEYSTORE)
        for person in batch.people:
            if context.stopping.is_set():
                break
            path = context.keyfile(person.account)
            if problem_of(path, person.account):  # else it is of a run that was killed before it had counted the file
                write_keyfile(path, encrypt(context.backend.private_key(person), password, kdf))
            batch.result.done(person.id)
        return batch.result

    return run


def _password(context: RunContext) -> str:
    """The scenario's password, or one that is created once in the run directory, readable by the owner only."""
    if given := context.scenario.backend.option("keystore.password"):
        return str(given.reveal())
    return run_secret(context.directory / "keystore.password")
