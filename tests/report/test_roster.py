"""The people of a report: those with problems first, never too many, and read in pieces."""

from pathlib import Path

import pytest

from cicscenario.engine.conclude import RunEnd
from cicscenario.errors import ExitCode
from cicscenario.plan.compile import compile_plan
from cicscenario.report import roster as module
from cicscenario.report.roster import read_roster, roster, write_roster
from cicscenario.state.rows import Outcome
from cicscenario.state.store import STATE, Store
from cicscenario.vocabulary import load_scenario
from tests.support.recordings import validated
from tests.support.scenarios import written
from tests.support.states import account_of_person, filled, person


@pytest.fixture
def end(tmp_path: Path):
    scenario = load_scenario(written(tmp_path, backend="eth", environment="sandbox", population="{size: 6, seed: 1}"))
    store = Store(filled(tmp_path / STATE, people=5))
    yield RunEnd(compile_plan(scenario, store), store, tmp_path, ExitCode.OK)
    store.close()


def test_those_with_problems_come_first_with_each_of_them(end: RunEnd) -> None:
    found = validated(roster(end), "people-v1")
    assert [one["id"] for one in found["people"]] == [2, 4, 0, 1, 3, 5]
    assert found["people"][0]["problems"] == ["balance: short"]
    assert found["people"][1]["problems"] == ["accounts: no answer"]
    assert "account" not in found["people"][1]
    assert found["people"][2]["account"].lower() == f"0x{account_of_person(0).hex()}"
    assert (found["with_problems"], found["all_problems"]) == (2, True)
    assert found["people"][-1] == {"id": 5, "problems": [], "left": list(range(len(found["steps"])))}  # not made yet
    assert found["people"][2]["left"] == [
        number for number, step in enumerate(found["steps"]) if step not in ("population", "accounts", "gift")
    ]


def test_there_are_never_too_many(end: RunEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WITH_PROBLEMS", 3)
    monkeypatch.setattr(module, "FIRST", 2)
    numbers = range(100, 180)
    end.store.commit("population", [Outcome(n, ok=True) for n in numbers], people=[person(n) for n in numbers])
    end.store.commit("accounts", [Outcome(n, ok=False, detail="away") for n in numbers])
    found = validated(roster(end), "people-v1")
    assert [one["id"] for one in found["people"]] == [2, 4, 100, 0, 1]
    assert found["people"][2]["problems"] == ["accounts: away"]
    assert (found["with_problems"], found["all_problems"]) == (82, False)


def test_it_is_written_for_its_owner_and_read_again(end: RunEnd) -> None:
    write_roster(end)
    assert (end.directory / "people.json").stat().st_mode & 0o777 == 0o600
    assert read_roster(end.directory) == roster(end)
