"""Where a scenario's people come from: the generator, a data directory of the old tools, or another run."""

import weakref
from pathlib import Path

from cicscenario.errors import InvalidError
from cicscenario.language import Scenario
from cicscenario.legacy.directory import OldPopulation
from cicscenario.people.generator import Generator
from cicscenario.people.person import Person
from cicscenario.people.population import Population
from cicscenario.state.store import STATE, PersonRow, Store

_PAGE = 500  # people of another run kept at hand


class RunPopulation:
    """The people in a run's state, with the accounts that it gave them; mostly another scenario's."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.size = self._store.population()
        self._page: tuple[int, list[PersonRow]] = (0, [])

    def _row(self, index: int) -> PersonRow:
        first, rows = self._page
        if not first <= index < first + len(rows):
            first = index - index % _PAGE
            rows = self._store.people(first, first + _PAGE)
            self._page = (first, rows)
        if index - first >= len(rows):
            raise InvalidError(
                f"{self._store.path.parent} has {self.size:,} people; there is no person {index:,} (from 0)"
            )
        return rows[index - first]

    def person(self, index: int) -> Person:
        row = self._row(index)
        return Person(row.id, row.document, row.phone, row.language, row.tags, row.old_address, row.gift)

    def gift(self, index: int) -> int:
        return self._row(index).gift

    def account(self, index: int) -> bytes | None:
        return self._row(index).address


class ImportedPopulation:
    """The people of an old data directory. Opening balances are the whole tokens of its ``balances.csv``."""

    def __init__(self, directory: Path) -> None:
        self._old = OldPopulation(directory)
        self.size = self._old.size

    def person(self, index: int) -> Person:
        old = self._old.person(index)
        return Person(old.index, old.document, old.phone, old.language, old.tags, old.old_address, old.gift)

    def gift(self, index: int) -> int:
        return self._old.gift(index)

    def account(self, index: int) -> bytes | None:
        return self._old.person(index).new_address


def open_population(scenario: Scenario) -> tuple[Population, int]:
    """The people and how many of them the scenario is about.

    Raises InvalidError when ``population.from`` is no source of people, or has fewer than ``population.size``.
    """
    people = scenario.population
    if people.source is None:
        assert people.size is not None  # the language sees to it that there is one or the other
        return _generator(scenario), people.size
    source = _source(people.source)
    if people.size is not None and people.size > source.size:
        raise InvalidError(
            f"{people.source} has {source.size:,} people, fewer than population.size ({people.size:,})",
            hint="leave `population.size` out to take all of them",
        )
    return source, source.size if people.size is None else people.size


def held_population(scenario: Scenario, store: Store) -> tuple[Population, int]:
    """The people of a scenario of which ``store`` is the state, and how many they are.

    A source is only opened to count those who are not in the state yet, and only while it is there.
    """
    people = scenario.population
    if people.source is None or (people.size is None and people.source.is_dir()):
        return open_population(scenario)
    held = RunPopulation(store)
    return held, held.size if people.size is None else people.size


def _source(path: Path) -> RunPopulation | ImportedPopulation:
    if not path.is_dir():
        raise InvalidError(
            f"population.from: there is no folder {path}", hint="paths are relative to the scenario file"
        )
    if not (path / STATE).exists():
        return ImportedPopulation(path)
    store = Store(path / STATE)
    run = RunPopulation(store)
    weakref.finalize(run, store.close)
    return run


def _generator(scenario: Scenario) -> Generator:
    people = scenario.population
    return Generator(
        seed=people.seed,
        locales=people.locales,
        region=people.region,
        languages=people.languages,
        tags=people.tags,
        gift_threshold=scenario.gift.threshold,
    )
