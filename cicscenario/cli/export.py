"""``cicscenario export``: writes the old tools' data directory, so that they can go on from it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cicscenario.backends.eth import keyfile_path
from cicscenario.chainspec import ChainSpec
from cicscenario.cli import workspace
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language import load_scenario
from cicscenario.legacy.export import ExportedPerson, write_datadir
from cicscenario.report.files import PINS, USSD_DATA
from cicscenario.state.store import Store


def export(path: Path, target: Path, overrides: Sequence[str], directory: Path | None) -> ExitCode:
    """Writes everybody in the state of the scenario's run to ``target``, which must be new or empty."""
    scenario = load_scenario(path, overrides)
    place = workspace.run_directory(scenario, directory)
    store = workspace.store_of_a_run(place, path)
    try:
        write_datadir(
            target,
            _people(store, place),
            ((row.hash, row.raw) for row in store.transactions()),
            chain_spec=_chain_spec(store),
            beside=(place / PINS, place / USSD_DATA),
        )
        print(f"{store.population()} people written to {target}")
    finally:
        store.close()
    return ExitCode.OK


def _chain_spec(store: Store) -> ChainSpec:
    """The chain that the new addresses are on, as every person's document there says."""
    spec = store.meta().get("spec")
    if spec is None:
        raise InvalidError(
            f"{store.path} does not say which chain its accounts are on: the environment of the run has no `spec`",
            hint="add `spec:` to the environment file, and run again",
        )
    return ChainSpec.parse(spec)


def _people(store: Store, place: Path) -> Iterator[ExportedPerson]:
    for person in store.all_people():
        keyfile = keyfile_path(place, person.address) if person.address else None
        yield ExportedPerson(
            document=person.document,
            phone=person.phone,
            language=person.language,
            tags=person.tags,
            old_address=person.old_address,
            gift=person.gift,
            address=person.address,
            keyfile=keyfile.read_bytes() if keyfile and keyfile.exists() else None,
        )
