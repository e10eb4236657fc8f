"""The people of a run, with what is needed to act as one of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cicscenario.capabilities.descriptor import descriptor
from cicscenario.engine.identity import compare, pins_of_run
from cicscenario.language import Scenario
from cicscenario.people.person import Person, checksum
from cicscenario.plan.compile import compile_plan
from cicscenario.state.directory import store_of_a_run
from cicscenario.state.store import Store
from cicscenario.steps import pins as pins_step


@dataclass(frozen=True)
class Participant:
    """One of the people. PIN and key are secrets, and are not shown with the rest."""

    index: int  #: in the population, from 0
    name: str
    phone: str  #: E.164, such as +254712345678
    language: str
    address: str | None  #: the account, with checksum and 0x; None before there is one
    pin: str | None = field(repr=False)  #: four digits; None when the run has set none, or has its hash only
    key: bytes | None = field(repr=False)  #: the account's private key, of 32 bytes; None when the run does not have it


def people_of(scenario: Scenario, directory: Path) -> Iterator[Participant]:
    """The people of the run in ``directory``, in order; a page of them is in memory at a time.

    Raises InvalidError when nothing has been run, and StateRefusedError when the state is that of another scenario.
    """
    store = store_of_a_run(directory, scenario.path)
    try:
        compare(store, compile_plan(scenario, store), None, people=False)  # another seed would give other PINs
        pin, key = _pins(scenario, store), _keys(scenario, directory)
        for page in store.pages():
            if not page:
                continue
            done = store.done(pins_step.STEP.name, page[0].id, page[-1].id + 1)
            for one in page:
                yield _participant(one, pin(one) if one.id in done else None, key(one) if one.address else None)
    finally:
        store.close()


def _pins(scenario: Scenario, store: Store) -> Callable[[Person], str | None]:
    return (lambda person: None) if scenario.pins is None else pins_of_run(scenario, store).pin


def _keys(scenario: Scenario, directory: Path) -> Callable[[Person], bytes | None]:
    keys_in = descriptor(scenario).keys_in
    return keys_in(directory) if keys_in else lambda person: None


def _participant(person: Person, pin: str | None, key: bytes | None) -> Participant:
    address = checksum(person.address) if person.address else None
    return Participant(person.id, person.name, person.phone, person.language, address, pin, key)
