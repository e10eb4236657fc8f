"""Writes V3 keystore files."""

from cicscenario.capabilities.context import KEYSTORE, RunContext
from cicscenario.capabilities.executor import Batch, Executor, Result
from cicscenario.chain.keyfile import problem_of, write_keyfile
from cicscenario.files import inner_folder
from cicscenario.state.directory import run_secret
from cicscenario.steps.work.labour import labour
from cicscenario.workers.kinds import keystore_items


def executor(context: RunContext) -> Executor:
    """Writes the file of each person who has none that is complete."""
    kdf: str = context.scenario.backend.option("keystore.kdf")
    password = _password(context)

    def run(batch: Batch) -> Result:
        inner_folder(context.directory / KEYSTORE)
        missing = []
        for person in batch.people:
            if problem_of(context.keyfile(person.account), person.account):
                missing.append(person)
            else:  # it is of a run that was killed before it had counted the file
                batch.result.done(person.id)
        keys = keystore_items(context.backend.private_key(person) for person in missing)
        for index, text in labour(context, batch, "keystore", {"kdf": kdf, "password": password}, keys):
            person = missing[index]
            write_keyfile(context.keyfile(person.account), text.encode("ascii"))
            batch.result.done(person.id)
        return batch.result

    return run


def _password(context: RunContext) -> str:
    """The scenario's password, or one that is created once in the run directory, readable by the owner only."""
    if given := context.scenario.backend.option("keystore.password"):
        return str(given.reveal())
    return run_secret(context.directory / "keystore.password")
