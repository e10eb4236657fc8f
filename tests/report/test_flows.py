"""The payments of a run as its reports show them: from the plan and the ledger, of bounded size, and silent without `traffic`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cicscenario.capabilities.payments import Places, payments_of, purpose_of
from cicscenario.engine.conclude import RunEnd
from cicscenario.errors import ExitCode
from cicscenario.plan.compile import compile_plan
from cicscenario.report.flowpicture import picture
from cicscenario.report.flows import FlowsNow, flows, flows_of, hubs_in
from cicscenario.report.rendered import recorded
from cicscenario.report.summary import write_record
from cicscenario.resources import load_schema
from cicscenario.state.store import STATE, Store
from cicscenario.vocabulary import load_scenario
from tests.support import recordings
from tests.support.handclock import HandClock
from tests.support.recordings import validated
from tests.support.scenarios import written
from tests.support.states import transaction

TRAFFIC = "{payments: 60, span: 200 days, overdrafts: 10%, profile: sarafu-2020}"


@pytest.fixture
def store(tmp_path: Path):
    held = Store(tmp_path / STATE)
    yield held
    held.close()


def ended(folder: Path, store: Store, traffic: str = TRAFFIC, size: int = 40) -> RunEnd:
    keys = {"backend": "eth", "environment": "sandbox", "gift": "{threshold: 90}", "traffic": traffic}
    scenario = load_scenario(written(folder, population=f"{{size: {size}, seed: 3}}", **keys))
    return RunEnd(compile_plan(scenario), store, folder, ExitCode.OK)


def planned(end: RunEnd) -> Any:
    return payments_of(end.plan.scenario, end.plan.population, end.plan.size)


def pay(store: Store, end: RunEnd, wrong: set[int] = frozenset(), left: set[int] = frozenset()) -> None:
    """Puts the payments into the ledger as they should end; ``wrong`` end the other way, and ``left`` are not sent."""
    rows = [
        (one, transaction(one.number + 1, purpose=purpose_of(one.number), who=one.payer))
        for one in planned(end)
        if one.number not in left
    ]
    store.add_transactions([row for _, row in rows])
    store.settle(
        [(row.hash, "failed" if one.refused != (one.number in wrong) else "mined", 7, None) for one, row in rows]
    )


def schema_of(document: dict[str, Any]) -> dict[str, Any]:
    return validated(recordings.good() | {"payments": document})["payments"]


def test_what_the_ledger_has_is_shown_and_nothing_else(tmp_path: Path, store: Store) -> None:
    end = ended(tmp_path, store)
    everything = list(planned(end))
    paid = [one for one in everything if not one.refused]
    pay(store, end, wrong={paid[0].number}, left={paid[1].number, paid[2].number})
    found = schema_of(flows(end))
    assert (found["planned"], found["paid"], found["refused"]) == (60, len(paid) - 3, 6)
    assert found["tokens"] == str(sum(one.amount for one in paid[3:]))
    calendar = found["calendar"]
    assert (calendar["days"], calendar["width"], len(calendar["paid"])) == (200, 3, 67)
    assert [sum(calendar[name]) for name in ("planned", "paid", "refused")] == [60, len(paid) - 3, 6]
    assert sum(map(sum, found["places"]["payments"])) == len(paid) - 3
    top = found["hubs"]["received"][0]
    own = [one for one in paid[3:] if one.payee == top["person"]]
    assert (top["payments"], top["partners"]) == (len(own), len({one.payer for one in own}))
    assert top["tokens"] == str(sum(one.amount for one in own))
    assert top["payments"] == max(row["payments"] for row in found["hubs"]["received"])


def test_without_traffic_there_is_nothing_of_it(tmp_path: Path, store: Store) -> None:
    scenario = load_scenario(written(tmp_path, backend="eth", environment="sandbox"))
    end = RunEnd(compile_plan(scenario), store, tmp_path, ExitCode.OK)
    assert flows(end) is None
    assert hubs_in(None) == set()
    assert FlowsNow(HandClock(0.0))(end) is None


def test_places_with_fewer_payments_are_one(tmp_path: Path, store: Store) -> None:
    end = ended(tmp_path, store, size=60, traffic="{payments: 400}")
    pay(store, end)
    spread = Places([person % 30 for person in range(60)], [f"place {number}" for number in range(30)])
    found = flows_of(planned(end), spread, store)["places"]
    assert (len(found["names"]), found["others"]) == (9, 21)
    assert [len(row) for row in found["payments"]] == [10] * 10
    assert sum(map(sum, found["payments"])) == 400
    ten = Places([person % 10 for person in range(60)], [f"place {number}" for number in range(10)])
    assert flows_of(planned(end), ten, store)["places"]["others"] == 0


def test_people_at_the_top_are_named_wherever_they_are(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table of people has the first ones only, and those whom the report names elsewhere."""
    monkeypatch.setattr("cicscenario.report.roster.FIRST", 1)
    end = ended(tmp_path, store)
    pay(store, end)
    write_record(end)
    read = recorded(end.directory)
    assert read.people
    assert hubs_in(read.report["payments"]) <= {one["id"] for one in read.people["people"]}


def test_while_it_is_under_way_they_are_counted_again_after_a_while(tmp_path: Path, store: Store) -> None:
    clock, end = HandClock(0.0), ended(tmp_path, store)

    def ticking() -> float:
        clock.now += 1
        return clock.now

    now = FlowsNow(ticking)
    assert now(end) is None, "before the first payment"
    store.set_meta({"payments": planned(end).identity})
    first = now(end)
    assert first
    assert first["paid"] == 0
    pay(store, end)
    assert now(end) == first, "it was counted a moment ago"
    clock.now += 60
    later = now(end)
    assert later
    assert later["paid"] == 54


def test_what_is_drawn_says_what_is_known() -> None:
    drawn = picture(recordings.payments(), recordings.shown_people(1)["people"])
    assert drawn.told == (
        "96 of 120 payments were paid; 3 asked for more than the payer had, and were refused; 21 are not made."
        " 9,007,199,254,740,993 tokens changed hands."
    )
    assert "about 4,000 payments" in drawn.note
    assert drawn.calendar.waiting == 21
    assert {round(bar.paid + bar.refused + bar.waiting) for bar in drawn.calendar.bars} == {100}
    assert [one.found for one in drawn.shares] == ["31.0 %", "20.0 %", "\N{EN DASH}"]
    assert drawn.places
    assert drawn.places.names[1:] == ["place not known", "12 other places"]
    assert drawn.places.rows[0][0] == (40, 1.0)
    assert drawn.places.rows[0][2] == (0, 0.0)
    assert drawn.places.largest[0].startswith("40 within <script>")
    (title, _, people), _ = drawn.hubs
    assert title == "Who was paid most often"
    assert [(one.person, one.name) for one in people][1:] == [(29, "Ann 29"), (77, "")]


def changed(held: Any, path: tuple[Any, ...] = ()) -> Iterator[dict[str, Any]]:
    """The recorded payments with each value in turn missing, or another."""
    for key, value in held.items() if isinstance(held, dict) else enumerate(held):
        for change in ("gone", 0, "x", [], {}):
            whole: Any = recordings.payments()
            holder = whole
            for part in path:
                holder = holder[part]
            if change == "gone":
                del holder[key]
            else:
                holder[key] = change
            yield whole
        if isinstance(value, dict | list):
            yield from changed(value, (*path, key))


def test_whatever_the_schema_lets_through_can_be_drawn() -> None:
    form = Draft202012Validator(load_schema("report-v1")["properties"]["payments"])
    drawn = [picture(one, []) for one in changed(recordings.payments()) if form.is_valid(one)]
    assert len(drawn) > 50


def test_nothing_is_drawn_of_payments_that_nobody_has_made() -> None:
    nothing = recordings.payments() | {"paid": 0, "refused": 0, "hubs": {"received": [], "sent": []}}
    assert picture(nothing, []).places is None
    assert picture(nothing, []).hubs == []
