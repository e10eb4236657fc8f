"""What the page of a run shows: from its state while it is under way or when it was killed, from its report when it has ended."""

import json
import re
import shutil
from pathlib import Path

import pytest

from cicscenario.engine.events import (
    DirectoryTaken,
    ReportWritten,
    RunStarted,
    ServicesOpened,
    ServiceStarting,
    StageStarted,
)
from cicscenario.plan.compile import compile_plan
from cicscenario.report.now import NowFile
from cicscenario.report.recorded import Phase
from cicscenario.serve.view import RunView, phase_of
from cicscenario.state.directory import directory_lock
from cicscenario.state.lock import is_held
from cicscenario.state.rows import Outcome
from cicscenario.state.store import STATE, Store
from cicscenario.vocabulary import load_scenario
from tests.support import recordings
from tests.support.handclock import HandClock
from tests.support.scenarios import written
from tests.support.states import filled


@pytest.fixture
def clock() -> HandClock:
    return HandClock(0.0)


@pytest.fixture
def view(tmp_path: Path, clock: HandClock) -> RunView:
    scenario = load_scenario(written(tmp_path, backend="eth", environment="sandbox"))
    return RunView(scenario, tmp_path / "run", clock)


def page(view: RunView) -> str:
    view.renew()
    return view.page()


def test_before_anything_is_run_it_says_so(view: RunView) -> None:
    assert "Nothing has been run in" in page(view)
    with directory_lock(view.directory):
        assert "The run is starting." in page(view)


def test_under_way_killed_and_ended(view: RunView) -> None:
    with directory_lock(view.directory):
        assert phase_of(view.directory) is Phase.UNDER_WAY
        filled(view.directory / STATE, people=5)
        text = page(view)
        assert "<strong>Under way</strong>" in text
        assert "accounts: 4 ok, 1 failed, 0 pending of 5." in text
        assert "no answer" in text  # why it failed
        assert "To go on" not in text
    assert phase_of(view.directory) is Phase.KILLED
    text = page(view)
    assert "<strong>Killed: it ended without a report</strong>" in text
    assert "To go on: <code>cicscenario run " in text
    report = recordings.good() | {"written": "2999-01-02T03:04:05+00:00"}
    recordings.run_directory(view.directory, report)
    assert phase_of(view.directory) is Phase.ENDED
    assert "<strong>Everybody arrived</strong>" in page(view)
    (view.directory / "report.json").write_text(json.dumps(report | {"written": "2000-01-02T03:04:05+00:00"}))
    assert phase_of(view.directory) is Phase.KILLED  # the report is of an earlier session
    view.close()


def test_one_that_was_killed_before_its_checks_were_made_goes_on_too(view: RunView) -> None:
    with directory_lock(view.directory):
        store = Store(view.directory / STATE)
        store.set_meta({"scenario": json.dumps(view.scenario.canonical())})
        for step in compile_plan(view.scenario).steps:
            store.commit(step.name, [Outcome(n, ok=True) for n in range(5)])
        store.close()
    text = page(view)
    assert "<strong>Killed: it ended without a report</strong>" in text
    assert "5 persons are done in every step" in text or "5 people are done in every step" in text
    assert "To go on: <code>cicscenario run " in text
    view.close()


def test_a_run_that_ended_stays_ended_when_its_directory_is_only_looked_at(view: RunView) -> None:
    """Other commands take the lock: they read the state, set the directory aside, or do not come so far as to begin."""
    with directory_lock(view.directory):
        now = NowFile()
        now(DirectoryTaken(str(view.directory)))
        now(RunStarted("a", "d", 5, {"accounts": 0}))
        assert phase_of(view.directory) is Phase.UNDER_WAY
        report = recordings.good() | {"written": "2020-01-02T03:04:05+00:00"}
        recordings.run_directory(view.directory, report)
    assert phase_of(view.directory) is Phase.KILLED, "the report is of an earlier session"
    with directory_lock(view.directory):
        now(ReportWritten(str(view.directory)))
    assert phase_of(view.directory) is Phase.ENDED
    with directory_lock(view.directory):  # `state verify`
        pass
    assert phase_of(view.directory) is Phase.ENDED
    with directory_lock(view.directory):  # `run --fresh` before it sets the directory aside
        later = NowFile()
        later(DirectoryTaken(str(view.directory)))
        later(StageStarted("asking the services"))
    assert phase_of(view.directory) is Phase.ENDED


def test_what_it_does_now_is_shown_and_only_then(view: RunView) -> None:
    now = NowFile()
    with directory_lock(view.directory):
        now(DirectoryTaken(str(view.directory)))
        now(ServiceStarting("postgres", 3, 6))
        assert "The run is starting: sandbox, service 3 of 6: postgres starts." in page(view)
        filled(view.directory / STATE, people=5)
        now(ServicesOpened({"meta.url": "http://127.0.0.1:54509"}))
        now(StageStarted("waiting until all transactions are confirmed"))
        text = page(view)
        assert "of all steps; waiting until all transactions are confirmed, for " in text
        assert "http://127.0.0.1:54509" in text
    text = page(view)
    assert "Killed" in text
    assert "waiting until all transactions" not in text
    assert "http://127.0.0.1:54509" in text
    view.close()


def test_what_goes_on_comes_first_while_it_goes_on(view: RunView) -> None:
    def parts() -> list[str]:
        return re.findall(r'<section data-part="(\w+)"', page(view))

    with directory_lock(view.directory):
        filled(view.directory / STATE, people=5)
        assert parts().index("steps") < parts().index("facts") < parts().index("money")
    assert parts()[:2] == ["verdict", "facts"]
    view.close()


def test_money_has_the_symbol_that_the_chain_gave_it(tmp_path: Path) -> None:
    scenario = load_scenario(written(tmp_path, backend="eth", environment="sandbox", gift="{threshold: 9}"))
    view = RunView(scenario, tmp_path / "run")
    with directory_lock(view.directory):
        filled(view.directory / STATE, people=5)
        assert "tokens</b>: gift" in page(view)
        store = Store(view.directory / STATE)
        store.set_meta({"symbol": "SHILLING", "faucet": "2500000 6 POUND"})
        store.commit("faucet", [Outcome(n, ok=True) for n in range(4)])
        store.close()
        text = page(view)
        assert "SHILLING</b>: gift" in text
        assert "<b>10 POUND</b>: faucet to 4 people" in text
        assert "tokens</b>" not in text
    view.close()


def test_what_is_damaged_is_said_on_the_page(view: RunView) -> None:
    with directory_lock(view.directory):
        (view.directory / STATE).write_bytes(b"no database" * 100)
        assert "state.sqlite" in page(view)
    recordings.run_directory(view.directory, recordings.good() | {"written": "2999-01-01T00:00:00+00:00"})
    (view.directory / "people.json").write_text("{")
    assert "people.json is damaged" in page(view)


def test_a_run_that_begins_anew_is_shown_anew(view: RunView) -> None:
    with directory_lock(view.directory):
        filled(view.directory / STATE, people=5)
        assert "accounts: 4 ok" in page(view)
    shutil.move(view.directory, view.directory.with_name("aside"))
    with directory_lock(view.directory):
        store = Store(view.directory / STATE)
        store.set_meta({"lineage": "2"})
        store.close()
        assert "population: 0 ok, 0 failed, 5 pending of 5." in page(view)
    view.close()


def test_the_state_is_read_for_a_tenth_of_the_time_at_most(view: RunView, clock: HandClock, monkeypatch) -> None:
    read = []

    def slow() -> None:
        read.append(clock.now)
        clock.now += 3

    monkeypatch.setattr(view, "recorded", slow)
    for _ in range(100):
        view.page()
        clock.now += 1
    assert read == [0, 33, 66, 99]


def test_a_lock_is_seen_without_taking_it(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert not is_held(lock)
    with directory_lock(tmp_path):
        assert is_held(lock)
    assert not is_held(lock)
    for text in ("", "{", "[]", '{"pid": "x"}', '{"pid": -1}'):
        lock.write_text(text)
        assert not is_held(lock)


def test_where_the_kernel_does_not_tell_the_process_that_had_it_counts(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("cicscenario.state.lock._LOCKS", tmp_path / "none")
    with directory_lock(tmp_path):
        assert is_held(tmp_path / "lock")
    (tmp_path / "lock").write_text('{"pid": 999999999}')
    assert not is_held(tmp_path / "lock")
