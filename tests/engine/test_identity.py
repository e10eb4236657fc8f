"""A state goes on only with the scenario, the people and the chain that it began with; what only grew goes on."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.chainspec import ChainSpec
from cicscenario.engine.identity import _source, checks_as_before, claim, compare
from cicscenario.errors import StateRefusedError
from cicscenario.legacy.export import write_datadir
from cicscenario.people.generator import Generator
from cicscenario.people.person import Person
from cicscenario.plan.compile import Plan, compile_plan
from cicscenario.state.rows import CheckRow, Outcome
from cicscenario.state.store import STATE, Store
from cicscenario.vocabulary import load_scenario
from tests.support.scenarios import written

SPEC = ChainSpec.parse("evm:byzantium:8996:bloxberg")
PEOPLE = Generator(seed=3, locales=["sl"], region="KE", languages=[("en", 1)], tags=[], gift_threshold=50)


def services(spec: str = str(SPEC)) -> Any:
    """Those of an environment without a chain."""
    return SimpleNamespace(environment=SimpleNamespace(chain_spec=ChainSpec.parse(spec)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / STATE)
    yield store
    store.close()


def plan(folder: Path, **keys: str) -> Plan:
    """People who have accounts already, and metadata: the chain has no part in it."""
    keys = {"population": "{from: data}", "backend": "existing", "metadata": "[person]"} | keys
    return compile_plan(load_scenario(written(folder, **keys)))


def data(folder: Path, *people: Person, account: int = 1) -> None:
    """A data directory of the old tools, made anew; the first account is that number."""
    place = folder / "data"
    if place.exists():
        place.rename(folder / f"before-{len(list(folder.iterdir()))}")
    made = [replace(person, address=bytes([person.id + account]) * 20) for person in people]
    write_datadir(place, made, [], chain_spec=SPEC)


def persons(*numbers: int) -> list[Person]:
    return [PEOPLE.person(number) for number in numbers]


def begin(store: Store, begun: Plan) -> None:
    compare(store, begun, services())
    claim(store, begun, services())
    made = [begun.population.person(number) for number in range(begun.size)]
    store.commit("population", [Outcome(person.id, ok=True) for person in made], people=made)


def test_a_state_of_nobody_is_anybodys(store: Store, tmp_path: Path) -> None:
    data(tmp_path, *persons(0, 1))
    compare(store, plan(tmp_path), services())
    assert store.meta() == {}


def test_the_same_goes_on_and_keeps_its_lineage(store: Store, tmp_path: Path) -> None:
    data(tmp_path, *persons(0, 1))
    begin(store, plan(tmp_path))
    lineage = store.meta()["lineage"]
    data(tmp_path, *persons(0, 1))
    compare(store, plan(tmp_path, description="other words", metadata="[person, custom]"), services())
    claim(store, plan(tmp_path), services())
    assert store.meta()["lineage"] == lineage


def test_people_at_the_end_of_the_source_are_new_people(store: Store, tmp_path: Path) -> None:
    data(tmp_path, *persons(0, 1))
    begin(store, plan(tmp_path))
    data(tmp_path, *persons(0, 1, 2))
    grown = plan(tmp_path)
    compare(store, grown, services())
    claim(store, grown, services())
    data(tmp_path, *persons(0, 1))
    with pytest.raises(StateRefusedError, match="3 in the state, 2 now; people cannot be removed"):
        compare(store, plan(tmp_path), services())


VILLAGE = "version: 1\nname: village\nmeasured: 2021-03-31\nplaces: {Miyani: 1, Kayaba: 1}\n"


def drawn(folder: Path, profile: str, figures: str = VILLAGE) -> Plan:
    """Five people of a profile, with figures of their own in ``village.yaml``."""
    (folder / "village.yaml").write_text(figures)
    return compile_plan(load_scenario(written(folder, population=f"{{size: 5, seed: 1, profile: {profile}}}")))


def begin_drawn(store: Store, begun: Plan) -> None:
    """As a run without a chain does it, of which there is none with generated people: the state is what counts."""
    store.set_meta({"scenario": json.dumps(begun.scenario.canonical()), "lineage": "1", **_source(begun)})


def test_a_profile_with_other_figures_makes_other_people_and_is_refused(store: Store, tmp_path: Path) -> None:
    begin_drawn(store, drawn(tmp_path, "village.yaml"))
    compare(
        store, drawn(tmp_path, "village.yaml", VILLAGE.replace("Miyani: 1, Kayaba: 1", "Kayaba: 1, Miyani: 1")), None
    )
    compare(store, drawn(tmp_path, "village.yaml", VILLAGE + "source: here\n"), None)
    other = drawn(tmp_path, "village.yaml", VILLAGE.replace("Kayaba: 1", "Kayaba: 2"))
    with pytest.raises(
        StateRefusedError, match="profile: the figures of village are not those that the run began with"
    ):
        compare(store, other, None)
    compare(store, other, None, people=False)  # a verification makes nobody
    with pytest.raises(StateRefusedError, match=r"population.profile: .*village.yaml' in the state, 'uniform' now"):
        compare(store, drawn(tmp_path, "uniform"), None)


def test_a_state_from_before_there_were_profiles_has_uniform_people(store: Store, tmp_path: Path) -> None:
    begin_drawn(store, drawn(tmp_path, "uniform"))
    held = json.loads(store.meta()["scenario"])
    del held["population"]["profile"]
    store.set_meta({"scenario": json.dumps(held)})
    compare(store, drawn(tmp_path, "uniform"), None)
    with pytest.raises(StateRefusedError, match=r"population\.profile: 'uniform' in the state, 'sarafu-2020' now"):
        compare(store, drawn(tmp_path, "sarafu-2020"), None)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ((2, 0, 1), f"first, person 0: {PEOPLE.person(0).phone} in the state, {PEOPLE.person(2).phone} now"),
        ((0, 2), f"first, person 1: {PEOPLE.person(1).phone} in the state, {PEOPLE.person(2).phone} now"),
        ((0,), "2 in the state, 1 now; people cannot be removed"),
    ],
)
def test_a_source_with_other_people_is_refused(store: Store, tmp_path: Path, now: tuple[int, ...], said: str) -> None:
    data(tmp_path, *persons(0, 1))
    begin(store, plan(tmp_path))
    before = store.meta()
    data(tmp_path, *persons(*now))
    with pytest.raises(StateRefusedError) as caught:
        compare(store, plan(tmp_path), services())
    assert said in caught.value.message
    assert store.meta() == before


def test_the_same_numbers_with_other_documents_are_other_people(store: Store, tmp_path: Path) -> None:
    data(tmp_path, *persons(0, 1))
    begin(store, plan(tmp_path))
    zero, one = persons(0, 1)
    data(tmp_path, zero, Person.of(1, one.document | {"gender": "unknown"}, **{
        field: getattr(one, field) for field in ("phone", "language", "tags", "old_address", "gift")
    }))  # fmt: skip
    with pytest.raises(StateRefusedError, match="are not those that the run began with"):
        compare(store, plan(tmp_path), services())


def test_people_who_have_other_accounts_now_are_refused(store: Store, tmp_path: Path) -> None:
    data(tmp_path, *persons(0, 1))
    begin(store, plan(tmp_path))
    store.commit("accounts", [], addresses=[(0, bytes([1]) * 20)])
    compare(store, plan(tmp_path), services())
    data(tmp_path, *persons(0, 1), account=7)
    said = f"the account of person 0 of {tmp_path}/data: 0x{'01' * 20} in the state, 0x{'07' * 20} now"
    with pytest.raises(StateRefusedError, match=said):
        compare(store, plan(tmp_path), services())
    compare(store, plan(tmp_path), services(), people=False)


def test_what_differs_is_named_and_no_advice_pays_anybody_twice(store: Store, tmp_path: Path) -> None:
    data(tmp_path, *persons(0, 1))
    begin(store, plan(tmp_path))
    with pytest.raises(StateRefusedError) as caught:
        compare(store, plan(tmp_path, metadata="[custom]"), services("evm:london:1:main"))
    assert "metadata: ['person'] in the state, ['custom'] now" in caught.value.message
    assert "spec: evm:byzantium:8996:bloxberg in the state, evm:london:1:main now" in caught.value.message
    assert caught.value.hint
    assert "makes and pays all its people again" in caught.value.hint
    assert "--fresh" not in caught.value.hint


def test_options_of_other_backends_are_nothing_to_a_run(store: Store, tmp_path: Path) -> None:
    """Which there are depends on the packages that are installed."""
    data(tmp_path, *persons(0))
    begin(store, plan(tmp_path))
    held = store.meta()["scenario"].replace('"kdf": "light"', '"kdf": "light", "word": "pamoja"')
    assert held != store.meta()["scenario"]
    store.set_meta({"scenario": held})
    compare(store, plan(tmp_path), services())


def test_what_checks_found_counts_no_more_when_they_are_asked_for_in_another_way(store: Store, tmp_path: Path) -> None:
    data(tmp_path, *persons(0))
    begin(store, plan(tmp_path))
    store.record_checks([CheckRow("metadata", 0, 1, None, [])])
    other = plan(tmp_path, checks="{include: [metadata]}")
    assert not checks_as_before(store, other.scenario)
    claim(store, other, services())
    assert store.checks() == {}
