"""Accounts are written into person documents as the old tools write those of the same kind, also by a later run."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.backends.work.eth import EthBackend
from cicscenario.backends.work.existing import ExistingBackend
from cicscenario.capabilities.executor import Result
from cicscenario.chainspec import ChainSpec
from cicscenario.people.person import Person, checksum, identified
from cicscenario.plan.sources import RunPopulation
from cicscenario.state.rows import Outcome
from cicscenario.state.store import STATE, Store
from tests.support.batches import batch

SPEC = ChainSpec.parse("evm:byzantium:8996:bloxberg")
ADDRESS = bytes.fromhex("c1912fee45d61c87cc5ea59dae31190fffff232d")
CHECKSUMMED = checksum(ADDRESS)
DOCUMENT = {"identities": {"evm": {"foo": {"1:oldchain": ["aa" * 20]}}}}
WHO = Person.of(0, DOCUMENT, phone="+254711000001", language="en", tags=(), old_address=bytes(20), gift=0)


def spelled(store: Store) -> list[str]:
    (person,) = store.people(0, 1)
    known: list[str] = identified(person.document, SPEC, person.account, person.spelled)["identities"]["evm"][
        "byzantium"
    ]["8996:bloxberg"]
    return known


def kept(folder: Path, who: Person, made: Result) -> Store:
    """A state after the step accounts."""
    store = Store(folder / STATE)
    store.commit("population", [Outcome(0, ok=True)], [who])
    new = made.take()
    store.commit("accounts", new.outcomes, (), new.addresses, new.spelled)
    return store


def engine(person: Person) -> Result:
    """As the backends of the custodial engine hand on what it gives."""
    made = Result()
    made.found(person.id, ADDRESS)
    return made


def test_an_account_of_the_engine_is_in_lower_case_without_0x(tmp_path: Path) -> None:
    assert spelled(kept(tmp_path, WHO, engine(WHO))) == [ADDRESS.hex()]


def test_an_account_of_our_own_has_a_checksum(tmp_path: Path) -> None:
    context: Any = SimpleNamespace(directory=tmp_path, stopping=SimpleNamespace(is_set=lambda: False))
    store = kept(tmp_path, WHO, EthBackend(context).accounts(batch([WHO])))
    assert spelled(store) == [checksum(store.people(0, 1)[0].account)]


@pytest.mark.parametrize("custodial", [True, False])
def test_a_run_that_takes_the_accounts_of_another_takes_their_spelling(tmp_path: Path, custodial: bool) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    made = Result()
    made.found(0, ADDRESS, None if custodial else CHECKSUMMED)
    population = RunPopulation(kept(first, WHO, made), [0])
    context: Any = SimpleNamespace(
        population=population,
        scenario=SimpleNamespace(population=SimpleNamespace(source=first)),
        stopping=SimpleNamespace(is_set=lambda: False),
    )
    who = population.person(0)
    again = kept(second, who, ExistingBackend(context).accounts(batch([who])))
    assert spelled(again) == [ADDRESS.hex() if custodial else CHECKSUMMED]


def test_a_state_that_does_not_say_it_keeps_what_earlier_versions_wrote(tmp_path: Path) -> None:
    store = Store(tmp_path / STATE)
    store.commit("population", [Outcome(0, ok=True)], [WHO])
    store.commit("accounts", [Outcome(0, ok=True)], (), [(0, ADDRESS)])
    assert spelled(store) == [CHECKSUMMED]
