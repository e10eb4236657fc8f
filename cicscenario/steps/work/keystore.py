"""Writes V3 keystore files."""

from collections.abc import Iterator

from cicscenario.capabilities.context import KEYSTORE, RunContext
from cicscenario.capabilities.executor import Batch, Executor, Result
from cicscenario.capabilities.labour import labour
from cicscenario.chain.keyfile import problem_of, write_keyfile
from cicscenario.files import inner_folder
from cicscenario.people.person import Person
from cicscenario.state.directory import run_secret
from cicscenario.workers.kinds import KEYFILES, keystore_item


def executor(context: RunContext) -> Executor:
    """Writes the file of each person who has none that is complete."""
    kdf: str = context.scenario.backend.option("keystore.kdf")
    password = _password(context)

    def run(batch: Batch) -> Result:
        inner_folder(context.directory / KEYSTORE)
        begun: list[Person] = []
        for index, text in labour(
            context, batch.result, KEYFILES, {"kdf": kdf, "password": password}, keys(batch, begun)
        ):
            person = begun[index]
            write_keyfile(context.keyfile(person.account), text.encode("ascii"))
            batch.result.done(person.id)
        return batch.result

    def keys(batch: Batch, begun: list[Person]) -> Iterator[str]:
        """The key of each person without a file; adds the person to ``begun``."""
        for person in batch.people:
            if context.stopping.is_set():
                return
            if problem_of(context.keyfile(person.account), person.account):
                begun.append(person)
                yield keystore_item(context.backend.private_key(person))
            else:  # the file is of a run that was killed before it had counted it
                batch.result.done(person.id)

    return run


def _password(context: RunContext) -> str:
    """The scenario's password, or one that is created once in the run directory, readable by the owner only."""
    if given := context.scenario.backend.option("keystore.password"):
        return str(given.reveal())
    return run_secret(context.directory / "keystore.password")
