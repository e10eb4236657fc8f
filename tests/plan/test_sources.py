"""Where people come from: made, read from another run, or read from the old tools' data directory."""

from dataclasses import replace
from pathlib import Path

import pytest

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import InvalidError
from cicscenario.legacy.directory import OldPopulation
from cicscenario.legacy.export import write_datadir
from cicscenario.people.generator import Generator
from cicscenario.people.person import Person, identified
from cicscenario.plan.compile import compile_plan
from cicscenario.plan.sources import Fingerprint, RunPopulation
from cicscenario.state.rows import Outcome
from cicscenario.state.store import STATE, Store
from cicscenario.vocabulary import load_scenario

PEOPLE = Generator(
    seed=3, locales=["sl"], region="KE", languages=[("en", 1), ("sw", 1)], tags=["individual"], gift_threshold=50
)
SPEC = ChainSpec.parse("evm:byzantium:8996:bloxberg")


def scenario(tmp_path: Path, population: str) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(f"version: 1\nname: a\npopulation: {population}\nbackend: existing\nmetadata: [person]\n")
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The run directory of another scenario: four people, of whom the last has no account."""
    (tmp_path / "run").mkdir()
    store = Store(tmp_path / "run" / STATE)
    rows = [PEOPLE.person(index) for index in range(4)]
    store.commit("population", [Outcome(row.id, ok=True) for row in rows], people=rows)
    store.commit("accounts", [], addresses=[(n, bytes([n + 1]) * 20) for n in range(3)])
    store.close()
    return tmp_path / "run"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory of the old tools: three people, of whom the first two were imported."""
    people = [PEOPLE.person(index) for index in range(3)]
    exported = [replace(p, address=bytes([p.id + 1]) * 20 if p.id < 2 else None) for p in people]
    write_datadir(tmp_path / "data", exported, [], chain_spec=SPEC)
    return tmp_path / "data"


def test_people_of_another_run_are_who_they_were_there(tmp_path: Path, run: Path) -> None:
    plan = compile_plan(load_scenario(scenario(tmp_path, "{from: run}")))
    assert isinstance(plan.population, RunPopulation)
    assert plan.size == 4
    assert [plan.population.person(n) for n in range(4)] == [PEOPLE.person(n) for n in range(4)]
    assert [plan.population.gift(n) for n in range(4)] == [PEOPLE.gift(n) for n in range(4)]
    assert [plan.population.account(n) for n in range(4)] == [bytes([n + 1]) * 20 for n in range(3)] + [None]


def test_people_of_a_data_directory_are_who_they_were_there(tmp_path: Path, data: Path) -> None:
    plan = compile_plan(load_scenario(scenario(tmp_path, "{from: data}")))
    assert isinstance(plan.population, OldPopulation)
    assert plan.size == 3
    for index in range(3):
        found, made = plan.population.person(index), PEOPLE.person(index)
        account = plan.population.account(index)
        document = identified(made.document, SPEC, account) if account else made.document
        assert (found.document, found.phone, found.tags, found.gift) == (
            document,  # of those who were imported, the one that the import wrote
            made.phone,
            made.tags,
            made.gift,
        )
        assert plan.population.gift(index) == made.gift
    assert [plan.population.account(n) for n in range(3)] == [b"\1" * 20, b"\2" * 20, None]


def test_a_size_takes_the_first_of_them(tmp_path: Path, run: Path) -> None:
    assert compile_plan(load_scenario(scenario(tmp_path, "{from: run, size: 2}"))).size == 2


def test_more_people_than_there_are_is_an_error(tmp_path: Path, run: Path) -> None:
    with pytest.raises(InvalidError, match=r"has 4 people, fewer than population.size \(5\)"):
        compile_plan(load_scenario(scenario(tmp_path, "{from: run, size: 5}")))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match=r"there is no folder and no table .*nowhere"):
        compile_plan(load_scenario(scenario(tmp_path, "{from: nowhere}")))


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match=r"scenario\.yaml: the header has no column `phone`"):
        compile_plan(load_scenario(scenario(tmp_path, "{from: scenario.yaml}")))


def test_somebody_who_is_not_there_is_named(run: Path) -> None:
    with pytest.raises(InvalidError, match="there is no person 9"):
        RunPopulation(Store(run / STATE), range(4)).person(9)


def test_a_state_tells_who_its_people_are_when_their_source_is_gone(tmp_path: Path, run: Path) -> None:
    path = scenario(tmp_path, "{from: nowhere}")
    store = Store(run / STATE)
    plan = compile_plan(load_scenario(path), store)
    assert (plan.size, plan.population.person(2)) == (4, PEOPLE.person(2))
    assert compile_plan(load_scenario(path, ["population.size=6"]), store).size == 6
    store.close()


def test_a_state_tells_who_its_people_are_when_their_source_was_damaged(tmp_path: Path, run: Path, data: Path) -> None:
    (data / "balances.csv").write_text("x")
    path = scenario(tmp_path, "{from: data}")
    with pytest.raises(InvalidError, match="has 4 bad records"):
        compile_plan(load_scenario(path))
    store = Store(run / STATE)
    assert compile_plan(load_scenario(path), store).size == 4
    store.close()


def test_somebody_of_another_run_who_cannot_be_used_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    odd = {1: {"language": "fr"}, 2: {"phone": "+2348031234567"}, 4: {"language": "e\0"}}
    rows = [replace(PEOPLE.person(index), **odd.get(index, {})) for index in range(6)]
    store = Store(tmp_path / "run" / STATE)
    store.commit("population", [Outcome(row.id, ok=True) for row in rows], people=rows)
    store.close()
    path = scenario(tmp_path, "{from: run}")
    path.write_text(path.read_text().replace("existing", "cic_ussd"))
    with pytest.raises(InvalidError, match="has 3 bad records"):
        compile_plan(load_scenario(path))
    plan = compile_plan(load_scenario(path, ["population.on_bad_row=skip"]))
    assert [plan.population.person(n).phone for n in range(plan.size)] == [rows[n].phone for n in (0, 3, 5)]
    assert plan.rejected
    assert plan.rejected.first[0].endswith(
        "person 1: the phone interface does not offer the language 'fr': it offers en, sw, kam, kik, miji, luo, bor"
    )


def test_people_who_are_still_to_be_read_are_counted_while_their_source_is_there(
    tmp_path: Path, run: Path, data: Path
) -> None:
    store = Store(run / STATE)
    assert compile_plan(load_scenario(scenario(tmp_path, "{from: data}")), store).size == 3
    store.close()


def test_people_of_a_run_with_gaps_keep_their_own_accounts(tmp_path: Path) -> None:
    """A run that was stopped has made person 7 and not yet person 3."""
    (tmp_path / "run").mkdir()
    store = Store(tmp_path / "run" / STATE)
    rows = [PEOPLE.person(index) for index in (0, 1, 5, 7)]
    store.commit("population", [Outcome(row.id, ok=True) for row in rows], people=rows)
    store.commit("accounts", [], addresses=[(row.id, bytes([row.id + 1]) * 20) for row in rows])
    store.close()
    plan = compile_plan(load_scenario(scenario(tmp_path, "{from: run}")))
    assert plan.size == 4
    for index, row in enumerate(rows):
        assert plan.population.person(index) == replace(row, id=index)
        assert plan.population.account(index) == bytes([row.id + 1]) * 20


def test_a_fingerprint_tells_other_people_from_the_same(run: Path) -> None:
    store = Store(run / STATE)
    of_all = Fingerprint(RunPopulation(store, range(4))).of(4)
    assert Fingerprint(RunPopulation(store, [0, 1, 2, 3])).of(4) == of_all
    first_three = Fingerprint(RunPopulation(store, range(4))).of(3)
    assert first_three != of_all
    for ids in ([0, 1, 3], [1, 2, 3]):
        assert Fingerprint(RunPopulation(store, ids)).of(3) != first_three
    store.commit("accounts", [], addresses=[(3, bytes([9]) * 20)])
    assert Fingerprint(RunPopulation(store, range(4))).of(4) == of_all, "an account may come later"
    store.close()


def test_an_account_that_an_import_adds_leaves_the_fingerprint_alone(tmp_path: Path, data: Path) -> None:
    path = scenario(tmp_path, "{from: data}")
    before = compile_plan(load_scenario(path))
    write_datadir(
        tmp_path / "later",
        [replace(PEOPLE.person(n), address=bytes([n + 1]) * 20) for n in range(3)],
        [],
        chain_spec=SPEC,
    )
    after = compile_plan(load_scenario(path, [f"population.from={tmp_path / 'later'}"]))
    assert (before.population.account(2), after.population.account(2)) == (None, b"\3" * 20)
    assert before.population.person(2).document != after.population.person(2).document
    assert before.fingerprint.of(3) == after.fingerprint.of(3)


def test_a_fingerprint_reads_everybody_once() -> None:
    class Counting:
        def __init__(self) -> None:
            self.read: list[int] = []

        def person(self, index: int) -> Person:
            self.read.append(index)
            return PEOPLE.person(index)

        def gift(self, index: int) -> int:
            return PEOPLE.gift(index)

        def account(self, index: int) -> bytes | None:
            return None

    population = Counting()
    fingerprint = Fingerprint(population)
    three, five = fingerprint.of(3), fingerprint.of(5)
    assert population.read == [0, 1, 2, 3, 4]
    assert (fingerprint.of(3), fingerprint.of(5)) == (three, five)
