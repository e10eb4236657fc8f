"""A scenario whose people are from a table: what is read for which backend, and what a run goes on with."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.capabilities.pinsource import HASHES, LIST, SEED, TABLE, pin_source
from cicscenario.chainspec import ChainSpec
from cicscenario.engine.identity import claim, compare, pins_of_run
from cicscenario.errors import InvalidError, StateRefusedError
from cicscenario.language import DiagnosticsError
from cicscenario.legacy.badrecords import BadRecordsError
from cicscenario.legacy.export import write_datadir
from cicscenario.legacy.peopletable import PeopleTable
from cicscenario.people.pins import Pins
from cicscenario.plan.compile import Plan, compile_plan
from cicscenario.plan.origin import origin_document, origin_of, origin_words
from cicscenario.review.difference import weigh
from cicscenario.state.rows import Outcome
from cicscenario.state.store import STATE, Store
from cicscenario.vocabulary import load_scenario
from tests.support.people_tables import HEAD, people_table, phone, row, text
from tests.support.scenarios import written

PINS = "{scheme: bcrypt}"
SPEC = ChainSpec.parse("evm:byzantium:8996:bloxberg")
HASH = "$2b$08$" + "ab./" * 13 + "c"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / STATE)
    yield store
    store.close()


def plan(folder: Path, **keys: str) -> Plan:
    """People of ``people.csv`` who join by phone, unless ``keys`` say otherwise."""
    keys = {"population": "{from: people.csv}", "backend": "cic_ussd"} | keys
    return compile_plan(load_scenario(written(folder, **keys)))


def existing(folder: Path, **keys: str) -> Plan:
    """People who have accounts already: the chain has no part in it."""
    return plan(folder, **{"backend": "existing", "metadata": "[person]"} | keys)


def with_accounts(folder: Path, *numbers: int, **values: str) -> None:
    rows = [row(number, account=f"{number + 1:040x}", **values) for number in numbers]
    (folder / "people.csv").write_text(text(rows, (*HEAD, "account")), newline="")


def hashes(folder: Path, *numbers: int, last: str = "c") -> None:
    lines = [f"{phone(number)},{HASH[:-1]}{last}\n" for number in numbers]
    (folder / "pins.csv").write_text("".join(lines))


def services() -> Any:
    return SimpleNamespace(environment=SimpleNamespace(chain_spec=SPEC))


def begin(store: Store, begun: Plan) -> None:
    compare(store, begun, services())
    claim(store, begun, services())
    made = [begun.population.person(number) for number in range(begun.size)]
    store.commit("population", [Outcome(person.id, ok=True) for person in made], people=made)


def refused(store: Store, now: Plan) -> str:
    with pytest.raises(StateRefusedError) as caught:
        compare(store, now, services())
    return caught.value.message


# What is read


@pytest.mark.parametrize("backend", ["eth", "cic_eth", "cic_ussd"])
def test_each_backend_takes_the_people_of_a_table(tmp_path: Path, backend: str) -> None:
    people_table(tmp_path / "people.csv", [row(1), row(2)])
    found = plan(tmp_path, backend=backend)
    assert (found.size, found.population.gift(1), found.population.person(1).phone) == (2, 2, phone(2))
    assert "gift" in [step.name for step in found.steps]


def test_people_who_exist_need_their_accounts(tmp_path: Path) -> None:
    people_table(tmp_path / "people.csv", [row(1)])
    with pytest.raises(InvalidError, match="no column `account`"):
        existing(tmp_path)
    with pytest.raises(InvalidError, match=r"`population\.columns` has no `account`"):
        existing(tmp_path, population="{from: people.csv, columns: {phone: phone}}")
    with_accounts(tmp_path, 1, 2)
    assert existing(tmp_path).population.account(1) == bytes(19) + b"\3"
    assert plan(tmp_path).population.account(1) is None, "a backend that makes accounts does not read it"


def test_whom_the_backend_cannot_serve_is_a_bad_row(tmp_path: Path) -> None:
    people_table(tmp_path / "people.csv", [row(1), row(2, language="fr"), row(3, phone="+2348031234567")])
    with pytest.raises(BadRecordsError) as caught:
        plan(tmp_path)
    told = [line.partition("people.csv:")[2] for line in caught.value.records.first]
    assert told[0].startswith("3: the phone interface does not offer the language 'fr'")
    assert told[1].startswith("4: the phone interface does not take the number '+2348031234567'")
    assert plan(tmp_path, backend="eth").size == 3
    found = plan(tmp_path, population="{from: people.csv, on_bad_row: skip}")
    assert (found.size, found.rejected and found.rejected.left_out) == (1, 2)


def test_a_size_takes_the_first_of_them(tmp_path: Path) -> None:
    people_table(tmp_path / "people.csv", [row(1), row(2)])
    assert plan(tmp_path, population="{from: people.csv, size: 1}").size == 1
    with pytest.raises(InvalidError, match=r"has 2 people, fewer than population\.size"):
        plan(tmp_path, population="{from: people.csv, size: 3}")


def test_columns_of_a_folder_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    with pytest.raises(InvalidError, match=r"population\.columns names the columns of a table"):
        plan(tmp_path, population="{from: ., columns: {phone: Tel}}")


@pytest.mark.parametrize(
    ("keys", "where", "message"),
    [
        ({"population": "{from: people.csv, columns: {name: A}}"}, "3", "no column of phone numbers"),
        ({"population": "{from: people.csv, columns: {phone: A, name: ' a'}}"}, "3", "one column for two things"),
        ({"population": "{from: people.csv, columns: {phone: A, pin: B}}"}, "3", "a column of PINs, and no `pins`"),
        (
            {"population": "{from: people.csv, columns: {phone: A, pin: B}}", "pins": "{fixed: ['1234']}"},
            "3",
            "a column of PINs, and other PINs in `pins`",
        ),
        ({"population": "{from: people.csv, columns: {phome: A}}"}, "3", "phome"),
        ({"population": "{size: 5, seed: 1}", "pins": "{from: pins.csv}"}, "5", "who are made from a seed"),
        ({"pins": "{from: pins.csv, cost: 5}"}, "5", "how PINs are made and hashed"),
    ],
)
def test_what_contradicts_itself_is_told_with_its_line(
    tmp_path: Path, keys: dict[str, str], where: str, message: str
) -> None:
    with pytest.raises(DiagnosticsError) as caught:
        plan(tmp_path, **keys)
    (problem,) = caught.value.diagnostics
    assert str(problem.line) == where
    assert message in problem.message


# PINs


def test_pins_are_those_of_the_table_or_else_of_the_seed(tmp_path: Path) -> None:
    people_table(tmp_path / "people.csv", [row(1), row(2, pin="")])
    found = plan(tmp_path, pins=PINS)
    source = pin_source(found.scenario, found.population)
    assert source.kind == TABLE
    people = [found.population.person(index) for index in range(2)]
    assert [source.pin(person) for person in people] == ["9001", Pins(1).pin(1)]
    again = pin_source(found.scenario)  # as commands do that have not read the table yet
    assert [again.pin(person) for person in people] == ["9001", Pins(1).pin(1)]
    with pytest.raises(InvalidError, match=r"has no row with the phone number"):
        again.pin(replace(people[0], phone=phone(9)))


def test_pins_are_not_read_when_they_are_from_elsewhere(tmp_path: Path) -> None:
    people_table(tmp_path / "people.csv", [row(1, pin="no PIN")])
    for keys, kind in (({}, None), ({"pins": "{fixed: ['1234']}"}, LIST)):
        found = plan(tmp_path, **keys)
        assert isinstance(found.population, PeopleTable)
        assert not found.population.has_pins
        assert kind is None or pin_source(found.scenario, found.population).kind == kind
    people_table(tmp_path / "people.csv", [row(1)], head=HEAD[:-1])
    found = plan(tmp_path, pins=PINS)
    assert pin_source(found.scenario, found.population).kind == SEED


def test_a_table_of_pins_that_is_gone_says_so(tmp_path: Path) -> None:
    people_table(tmp_path / "people.csv", [row(1)])
    scenario = plan(tmp_path, pins=PINS).scenario
    (tmp_path / "people.csv").unlink()
    with pytest.raises(InvalidError, match=r"the PINs of the people are in their table: .* cannot be read"):
        pin_source(scenario)


@pytest.mark.parametrize("source", ["people.csv", "data"])
def test_hashes_are_brought_for_people_of_any_source(tmp_path: Path, source: str) -> None:
    people_table(tmp_path / "people.csv", [row(1), row(2)])
    people = [plan(tmp_path).population.person(index) for index in range(2)]
    write_datadir(tmp_path / "data", people, [], chain_spec=SPEC)
    hashes(tmp_path, 1, 2, 3)
    found = plan(tmp_path, pins="{from: pins.csv}", population=f"{{from: {source}}}")
    brought = pin_source(found.scenario, found.population)
    assert (brought.kind, brought.pin(found.population.person(0))) == (HASHES, None)
    assert brought.hashed
    assert brought.hashed(found.population.person(1)) == HASH
    assert origin_words(origin_document(found.scenario, found.population) or {})[-1] == (
        f"PIN hashes: {tmp_path / 'pins.csv'}"
    )
    (tmp_path / "pins.csv").unlink()
    read = pin_source(found.scenario, found.population, found.hashes)
    assert read.hashed
    assert read.hashed(found.population.person(1)) == HASH, "the list is read once for a plan"
    hashes(tmp_path, 1)
    with pytest.raises(BadRecordsError, match=rf"there is no PIN hash of \{phone(2)} in pins\.csv"):
        plan(tmp_path, pins="{from: pins.csv}", population=f"{{from: {source}}}")


def test_who_has_no_hash_cannot_be_used(tmp_path: Path) -> None:
    people_table(tmp_path / "people.csv", [row(1), row(2), row(3)])
    hashes(tmp_path, 1, 3)
    with (tmp_path / "pins.csv").open("a") as file:
        file.write(f"{phone(2)},1234\n")
    with pytest.raises(BadRecordsError) as caught:
        plan(tmp_path, pins="{from: pins.csv}")
    assert [line.rpartition("/")[2] for line in caught.value.records.first] == [
        "pins.csv:3: the hash is not a bcrypt hash: $2b$, a cost of 04 to 31, $ and 53 characters",
        f"people.csv:3: there is no PIN hash of {phone(2)} in pins.csv",
    ]
    found = plan(tmp_path, pins="{from: pins.csv}", population="{from: people.csv, on_bad_row: skip}")
    assert [found.population.person(index).phone for index in range(found.size)] == [phone(1), phone(3)]


# A run goes on


def test_a_table_that_grew_at_its_end_goes_on(store: Store, tmp_path: Path) -> None:
    with_accounts(tmp_path, 1, 2)
    begin(store, existing(tmp_path))
    with_accounts(tmp_path, 1, 2, 3)
    grown = existing(tmp_path)
    compare(store, grown, services())
    assert grown.size == 3


@pytest.mark.parametrize(
    ("numbers", "values", "told"),
    [
        ((1, 3), {}, f"first, person 1: {phone(2)} in the state, {phone(3)} now"),
        ((2, 1), {}, f"first, person 0: {phone(1)} in the state, {phone(2)} now"),
        ((1, 2), {"balance": "99"}, "are not those that the run began with"),
        ((1, 2), {"name": "Another Name"}, "are not those that the run began with"),
        ((1,), {}, "2 in the state, 1 now; people cannot be removed"),
    ],
)
def test_a_table_of_other_people_is_refused(
    store: Store, tmp_path: Path, numbers: tuple[int, ...], values: dict[str, str], told: str
) -> None:
    with_accounts(tmp_path, 1, 2)
    begin(store, existing(tmp_path))
    with_accounts(tmp_path, *numbers, **values)
    assert told in refused(store, existing(tmp_path))


def test_the_same_people_in_another_form_of_table_go_on(store: Store, tmp_path: Path) -> None:
    with_accounts(tmp_path, 1, 2)
    begin(store, existing(tmp_path))
    rows = [{**row(number, account=f"{number + 1:040x}"), "Tel": phone(number)} for number in (1, 2)]
    head = ("account", "Tel", *HEAD[1:])
    (tmp_path / "people.csv").write_text(text(rows, head, ";", "\n"))
    names = {name: name for name in (*HEAD[1:-1], "account")} | {"phone": "tel"}
    compare(store, existing(tmp_path, population=json.dumps({"from": "people.csv", "columns": names})), services())


def test_pins_that_would_come_from_elsewhere_are_refused(store: Store, tmp_path: Path) -> None:
    with_accounts(tmp_path, 1, 2)
    begin(store, existing(tmp_path))
    compare(store, existing(tmp_path, pins=PINS), services())  # PINs may be added
    claim(store, existing(tmp_path, pins=PINS), services())
    (tmp_path / "people.csv").write_text((tmp_path / "people.csv").read_text().replace("pin", "PIN of old"))
    assert "the PINs of the people: from the table of people in the state, from the seed now" in refused(
        store, existing(tmp_path, pins=PINS)
    )
    with pytest.raises(
        StateRefusedError, match="are from the table of people, and the scenario has them from the seed"
    ):
        pins_of_run(existing(tmp_path, pins=PINS).scenario, store)


def test_other_hashes_are_refused_and_more_of_them_go_on(store: Store, tmp_path: Path) -> None:
    with_accounts(tmp_path, 1, 2)
    hashes(tmp_path, 1, 2)
    begin(store, existing(tmp_path, pins="{from: pins.csv}"))
    with_accounts(tmp_path, 1, 2, 3)
    hashes(tmp_path, 3, 2, 1)
    compare(store, existing(tmp_path, pins="{from: pins.csv}"), services())
    hashes(tmp_path, 1, 2, 3, last="d")
    told = refused(store, existing(tmp_path, pins="{from: pins.csv}"))
    assert f"the PIN hashes in {tmp_path / 'pins.csv'} are not those that the run began with" in told


def test_no_pin_and_nothing_made_of_one_is_in_the_state(store: Store, tmp_path: Path) -> None:
    """A digest with PINs in it would tell them: there are ten thousand to try."""
    with_accounts(tmp_path, 1, 2)
    begin(store, existing(tmp_path, pins=PINS))
    held = store.meta()
    with_accounts(tmp_path, 1, 2, pin="7391")
    now = existing(tmp_path, pins=PINS)
    compare(store, now, services())
    claim(store, now, services())
    assert store.meta() == held
    assert "7391" not in (tmp_path / STATE).read_bytes().decode("latin-1")


def test_the_people_are_told_from_the_state_when_the_table_is_gone(store: Store, tmp_path: Path) -> None:
    with_accounts(tmp_path, 1, 2)
    begun = existing(tmp_path)
    begin(store, begun)
    (tmp_path / "people.csv").unlink()
    held = compile_plan(begun.scenario, store)
    assert (held.size, held.population.person(1).phone) == (2, phone(2))


# What is told


def test_plan_and_show_say_where_people_come_from(tmp_path: Path) -> None:
    people_table(tmp_path / "people.csv", [{**row(1), "Notes": "x"}], head=("phone", "Notes"), separator=";")
    found = plan(tmp_path)
    told = origin_document(found.scenario, found.population)
    assert told == {
        "path": str(tmp_path / "people.csv"), "kind": "table", "separator": "semicolon", "columns": {"phone": "phone"},
        "unread": ["Notes"],
    }  # fmt: skip
    assert origin_words(told) == [
        f"the table {tmp_path / 'people.csv'}",
        "columns (semicolon between them): phone: phone",
        "not read: Notes",
    ]
    assert str(origin_of(0, found.scenario, found.population)).endswith("people.csv, line 2")


def test_a_review_weighs_the_people_of_a_table(tmp_path: Path) -> None:
    people_table(tmp_path / "people.csv", [row(1), row(2)])
    before = weigh(plan(tmp_path).scenario)
    people_table(tmp_path / "people.csv", [row(1), row(2), row(10)])
    after = weigh(plan(tmp_path).scenario)
    assert ((before.people, before.tokens), (after.people, after.tokens)) == ((2, 3), (3, 13))
    assert before.sample == after.sample[:2]
