"""The source of a scenario's people: the generator, a table, a data directory of the old tools, or another run."""

import hashlib
import json
import weakref
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from cicscenario.capabilities.descriptor import descriptor
from cicscenario.capabilities.pinsource import hash_table, people_table
from cicscenario.errors import InvalidError
from cicscenario.language import Scenario
from cicscenario.legacy.badrecords import SKIP_HINT, BadRecords
from cicscenario.legacy.directory import OldPopulation, Unfit
from cicscenario.legacy.hashtable import HashTable
from cicscenario.legacy.peopletable import PeopleTable
from cicscenario.people.generator import Generator
from cicscenario.people.person import Person, unidentified
from cicscenario.people.population import Population
from cicscenario.people.text import text_problem
from cicscenario.services.jsonvalues import refuse_unfit
from cicscenario.state.store import STATE, Store
from cicscenario.wording import counted

_PAGE = 500  # people of another run in the cache


class RunPopulation:
    """The people in a run's state. ``ids[i]`` is the id in that run of person ``i`` of this population.

    The two differ when ids are missing: a stopped run may have made person 300 but not person 200.
    """

    def __init__(self, store: Store, ids: Sequence[int]) -> None:
        self._store = store
        self._ids = ids
        self.size = len(ids)
        self.rejected = BadRecords()
        self._page: dict[int, Person] = {}

    def _at(self, index: int) -> Person:
        place = self._store.path.parent
        if not 0 <= index < self.size:
            raise InvalidError(f"{place} has {counted(self.size, 'person')}; there is no person {index:,} (from 0)")
        wanted, page = self._ids[index], self._page  # thread-safe: a page is replaced, never changed
        if wanted not in page:
            first = index - index % _PAGE
            last = min(first + _PAGE, self.size) - 1
            page = {person.id: person for person in self._store.people(self._ids[first], self._ids[last] + 1)}
            self._page = page
        if wanted not in page:
            raise InvalidError(f"person {wanted:,} of {place} has not been made yet")
        return page[wanted]

    def person(self, index: int) -> Person:
        return replace(self._at(index), id=index, address=None)

    def gift(self, index: int) -> int:
        return self._at(index).gift

    def account(self, index: int) -> bytes | None:
        return self._at(index).address


@dataclass(frozen=True)
class People:
    """The people of a scenario, the number of them that it uses, and the records of the source that cannot be used."""

    population: Population
    size: int
    rejected: BadRecords | None = None
    hashes: HashTable | None = None  #: of their PINs, if they are brought


def open_population(scenario: Scenario) -> People:
    """Opens the people of a scenario.

    Raises InvalidError when ``population.from`` is not a source of people, or has fewer than ``population.size``, and
    BadRecordsError for records that cannot be used, unless ``population.on_bad_row`` is skip.
    """
    people = scenario.population
    if people.source is None:
        assert people.size is not None  # the language requires `size` or `from`
        return People(_generator(scenario), people.size)
    source, hashes = _source(people.source, scenario)
    if people.size is not None and people.size > source.size:
        raise InvalidError(
            f"{people.source} has {counted(source.size, 'person')}, fewer than population.size ({people.size:,})",
            hint="leave `population.size` out to take all of them",
        )
    return People(source, source.size if people.size is None else people.size, source.rejected, hashes)


def held_population(scenario: Scenario, store: Store) -> People:
    """The people of a scenario, read from its state ``store``, and their number.

    The source is opened only if it decides the number of people (no ``population.size``) and still can be read.
    """
    people = scenario.population
    if people.source is None or (people.size is None and people.source.exists()):
        try:
            return open_population(scenario)
        except InvalidError:
            if people.source is None:
                raise
    held = RunPopulation(store, range(store.end()))
    return People(held, held.size if people.size is None else people.size)


class Fingerprint:
    """A digest of the people of a source: who they are and what they bring, in order, without their accounts and PINs.

    With ``hashes``, a digest of the hashes of their PINs instead. Each person is read once, however many sizes are asked for in
    ascending order. A smaller size begins again.
    """

    def __init__(self, population: Population, hashes: HashTable | None = None) -> None:
        self._population, self._hashes = population, hashes
        self._begin()

    def _begin(self) -> None:
        self._digest, self._size = hashlib.sha256(), 0

    def of(self, size: int) -> str:
        """The digest of people ``0 <= index < size``, in hexadecimal."""
        if size < self._size:
            self._begin()
        for index in range(self._size, size):
            self._digest.update(json.dumps(self._told(index)).encode())
        self._size = size
        return self._digest.hexdigest()

    def _told(self, index: int) -> list[Any]:
        person = self._population.person(index)
        if self._hashes is not None:
            return [person.phone, self._hashes.of(person)]
        document = _before(person, self._population.account(index))
        return [person.old_address.hex(), document, person.phone, person.language, person.tags, person.gift]


def _before(person: Person, account: bytes | None) -> str:
    """The document of a person without the account that an import has added to it."""
    if account is None or account.hex() not in person.document_json.lower():
        return person.document_json
    return json.dumps(unidentified(person.document, account))


def _source(path: Path, scenario: Scenario) -> tuple[RunPopulation | OldPopulation | PeopleTable, HashTable | None]:
    """The people of a source, and the hashes of their PINs if the scenario names a list of them."""
    bad = BadRecords()
    hashes = hash_table(scenario, bad)
    if path.is_dir():
        return _folder(path, scenario, bad, partial(_unfit, scenario, hashes)), hashes
    if not path.exists():
        raise InvalidError(
            f"population.from: there is no folder and no table {path}", hint="paths are relative to the scenario file"
        )
    skip, unfit = scenario.population.on_bad_row == "skip", partial(_unfit, scenario, hashes)
    return people_table(scenario, skip=skip, unfit=unfit, rejected=bad), hashes


def _folder(path: Path, scenario: Scenario, bad: BadRecords, unfit: Unfit) -> RunPopulation | OldPopulation:
    if scenario.population.columns:
        raise InvalidError(
            f"population.columns names the columns of a table, and {path} is a folder",
            hint="leave `columns` out, or name the table in `population.from`",
        )
    if not (path / STATE).exists():
        return OldPopulation(
            path,
            region=scenario.population.region,
            imported=not scenario.backend.traits.makes_accounts,
            skip=scenario.population.on_bad_row == "skip",
            unfit=unfit,
            rejected=bad,
        )
    store = Store(path / STATE)
    try:
        run = _run(store, scenario, bad, unfit)
    except BaseException:
        store.close()
        raise
    weakref.finalize(run, store.close)
    return run


def _run(store: Store, scenario: Scenario, bad: BadRecords, unfit: Unfit) -> RunPopulation:
    """The people of another run who can be used in a scenario."""
    ids = array("Q")
    for person in store.all_people():
        if reason := unfit(person):
            bad.add(store.path, f"person {person.id}: {reason}", whose=person.old_address)
        else:
            ids.append(person.id)
    if scenario.population.on_bad_row == "stop" or not ids:
        bad.raise_any(f"the run in {store.path.parent}", hint=SKIP_HINT)
    run = RunPopulation(store, ids)
    run.rejected = bad
    return run


def _unfit(scenario: Scenario, hashes: HashTable | None, person: Person) -> str | None:
    """The reason why a person cannot be used in a scenario, as far as it is known without asking a service."""
    for what, text in (("language", person.language), *(("tag", tag) for tag in person.tags)):
        if problem := text_problem(text):
            return f"the {what} {text!r:.30} {problem}"
    if scenario.metadata:
        try:
            refuse_unfit(person.document)
        except InvalidError as error:
            return error.message
    if hashes is not None and hashes.of(person) is None:
        return f"there is no PIN hash of {person.phone} in {hashes.path.name}"
    return descriptor(scenario).unfit(scenario, person)


def _generator(scenario: Scenario) -> Generator:
    people = scenario.population
    return Generator(
        seed=people.seed,
        locales=people.locales,
        region=people.region,
        languages=people.languages,
        tags=people.tags,
        gift_threshold=scenario.gift.threshold,
        gender=people.gender,
        profile=people.profile,
    )
