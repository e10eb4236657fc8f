"""``cicscenario export``: writes the old tools' data directory, so that they can continue from it."""

from collections.abc import Sequence
from pathlib import Path

from cicscenario.api import workspace
from cicscenario.capabilities.context import keyfile_path
from cicscenario.chain.keyfile import MAX_FILE_SIZE
from cicscenario.chainspec import ChainSpec
from cicscenario.cli.atwork import at_work
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.inputs import read_input
from cicscenario.legacy.export import write_datadir
from cicscenario.people.person import Person
from cicscenario.printable import say
from cicscenario.state.directory import store_of_a_run
from cicscenario.state.store import Store
from cicscenario.steps import all_steps
from cicscenario.vocabulary import load_scenario
from cicscenario.wording import counted


def export(path: Path, target: Path, overrides: Sequence[str], directory: Path | None) -> ExitCode:
    """Writes all people in the state of the scenario's run to ``target``, which must be new or empty."""
    scenario = load_scenario(path, overrides)
    place = workspace.run_directory(scenario, directory)
    store = store_of_a_run(place, path)
    try:
        with at_work("writing the people"):
            write_datadir(
                target,
                store.all_people(),
                ((row.hash, row.raw) for row in store.transactions()),
                chain_spec=_chain_spec(store),
                keyfile=lambda person: _keyfile(place, person),
                beside=[place / file.name for step in all_steps() for file in step.files],
            )
        say(f"{counted(store.population(), 'person')} written to {target}")
    finally:
        store.close()
    return ExitCode.OK


def _chain_spec(store: Store) -> ChainSpec:
    """The chain of the new addresses, for the identities in the exported documents."""
    spec = store.meta().get("spec")
    if spec is None:
        raise InvalidError(
            f"{store.path} does not say which chain its accounts are on: the environment of the run has no `spec`",
            hint="add `spec:` to the environment file, and run again",
        )
    return ChainSpec.parse(spec)


def _keyfile(place: Path, person: Person) -> bytes | None:
    path = keyfile_path(place, person.account)
    return read_input(path, MAX_FILE_SIZE, follow=False) if path.exists() else None
