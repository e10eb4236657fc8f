"""Where the PINs of a scenario's people are from: the seed, a fixed list, the table of people, or a list of hashes."""

from collections.abc import Callable
from dataclasses import dataclass

from cicscenario.errors import InvalidError
from cicscenario.language import KeyHolder, Scenario
from cicscenario.legacy.badrecords import BadRecords
from cicscenario.legacy.directory import Unfit
from cicscenario.legacy.hashtable import HashTable
from cicscenario.legacy.peopletable import PeopleTable
from cicscenario.people.person import Person
from cicscenario.people.pins import Pins
from cicscenario.people.population import Population

SEED, LIST, TABLE, HASHES = "the seed", "the list `pins.fixed`", "the table of people", "a list of hashes"


@dataclass(frozen=True)
class PinSource:
    """``pin`` gives the PIN of a person, None where only its hash is known; ``hashed`` gives a hash that was made elsewhere.

    Both raise InvalidError when a file has changed since it was read. ``hashed`` is None when hashes are made from PINs.
    """

    kind: str
    pin: Callable[[Person], str | None]
    hashed: Callable[[Person], str | None] | None = None


def pin_source(scenario: Scenario, population: Population | None = None, hashes: HashTable | None = None) -> PinSource:
    """The PINs of a scenario that has ``pins``. ``population`` and ``hashes`` are those of the run, if they are read already.

    Raises InvalidError when the file that they are in cannot be read.
    """
    wanted = scenario.pins
    assert wanted is not None  # otherwise nobody gets a PIN
    if wanted.source is not None:
        brought = hashes or hash_table(scenario, BadRecords())
        assert brought is not None
        return PinSource(HASHES, lambda person: None, brought.of)
    made = Pins(scenario.population.seed, wanted.fixed or ())
    table = population if isinstance(population, PeopleTable) else _table(scenario)
    if table is not None and table.has_pins:
        return PinSource(TABLE, lambda person: table.pin(person.phone) or made.pin(person.id))
    return PinSource(LIST if wanted.fixed else SEED, lambda person: made.pin(person.id))


def hash_table(scenario: Scenario, rejected: BadRecords) -> HashTable | None:
    """The list of hashes that a scenario names, or None. Rows that cannot be used are added to ``rejected``."""
    if scenario.pins is None or scenario.pins.source is None:
        return None
    region = scenario.population.region
    return HashTable(scenario.pins.source, scenario.pins.scheme, region=region, rejected=rejected)


def people_table(
    scenario: Scenario,
    *,
    skip: bool,
    unfit: Unfit = lambda person: None,
    rejected: BadRecords | None = None,
) -> PeopleTable:
    """The table of people that a scenario names, without the columns that it does not need. See ``PeopleTable``."""
    people = scenario.population
    assert people.source is not None
    leave: set[str] = set() if scenario.pins and scenario.pins.of_people else {"pin"}
    needed: set[str] = {"account"} if scenario.backend.traits.keys is KeyHolder.OTHERS else set()
    return PeopleTable(
        people.source,
        people.columns,
        leave=leave | ({"account"} - needed),
        needed=needed,
        region=people.region,
        skip=skip,
        unfit=unfit,
        rejected=rejected,
    )


def _table(scenario: Scenario) -> PeopleTable | None:
    """The table for its PINs; None when people are from elsewhere, or their PINs are."""
    source, pins = scenario.population.source, scenario.pins
    if source is None or source.is_dir() or pins is None or not pins.of_people:
        return None
    try:
        return people_table(scenario, skip=True)
    except InvalidError as error:
        raise InvalidError(
            f"the PINs of the people are in their table: {error.message}", hint=error.hint or "put it back"
        ) from None
