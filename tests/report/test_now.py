"""``now.json``: what a run does now, kept from its events, and never larger than its steps and services make it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cicscenario.address import remember
from cicscenario.engine.events import (
    CheckFinished,
    CheckProgressed,
    CommandFailed,
    DirectoryTaken,
    Event,
    ReportWritten,
    RequestsCounted,
    RunStarted,
    ServicesOpened,
    ServiceStarting,
    StageStarted,
    StepProgressed,
    Waiting,
)
from cicscenario.errors import InvalidError
from cicscenario.report.now import NAME, Now, NowFile, StepNow, read_now, unended
from cicscenario.resources import load_schema
from cicscenario.state.directory import directory_lock

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Teller:
    """Tells a file of events, each some seconds after the one before, and reads what it says."""

    def __init__(self, directory: Path) -> None:
        self.now = START
        self.directory = directory
        self.file = NowFile(lambda: self.now)

    def tell(self, *events: Event, after: float = 2.0) -> None:
        for event in events:
            self.now += timedelta(seconds=after)
            self.file(event)

    def read(self, after: float = 0.0) -> Now:
        found = read_now(self.directory, self.now + timedelta(seconds=after))
        assert found
        return found


@pytest.fixture
def teller(tmp_path: Path) -> Teller:
    return Teller(tmp_path / "run")


def requests(number: int) -> RequestsCounted:
    seconds = {"p50": 0.1, "p90": 0.1, "p95": 0.1, "p99": 0.1, "max": 0.1, "sum": 1.0}
    figures = {"requests": number, "repeated": 0, "refused": 0, "unanswered": 0, "seconds": seconds}
    return RequestsCounted({"meta": figures})


def step(name: str, ok: int) -> StepProgressed:
    return StepProgressed(name, ok, 0, 100, 10.0, 1, 1.0, ok)


def wait(name: str) -> Waiting:
    return Waiting(name, "callbacks", 4, 5.0, 120.0, "nothing yet")


def test_it_says_where_the_services_are_and_what_they_are_asked(teller: Teller) -> None:
    with directory_lock(teller.directory):
        teller.tell(DirectoryTaken(str(teller.directory)), ServicesOpened({"meta.url": "http://127.0.0.1:1"}))
        assert teller.read().settings == {"meta.url": "http://127.0.0.1:1"}
        assert teller.read().pace == {}
        teller.tell(requests(100), requests(400))
        assert teller.read().traffic == requests(400).services
        assert teller.read().pace == {"meta": 150.0}  # of the last two seconds, not of all


def test_it_says_what_goes_on_and_for_how_long_when_it_is_read(teller: Teller) -> None:
    with directory_lock(teller.directory):
        teller.tell(DirectoryTaken(str(teller.directory)), ServiceStarting("postgres", 3, 6), after=0.1)
        assert teller.read().activity == "sandbox, service 3 of 6: postgres starts"
        teller.tell(StageStarted("asking the services"), after=0.1)
        assert teller.read(after=7).activity == "asking the services, for 7.0 s"
        teller.tell(RunStarted("s", "d", 100, {"gift": 0}))
        assert teller.read().activity == ""
        teller.tell(CheckProgressed("gas", 50, 100, 3, 4.0))
        assert teller.read(after=1).activity == "check gas: 50 of 100 people asked about, 3 errors, for 5.0 s"
        teller.tell(CheckFinished("gas", 3, 100, None, None))
        assert teller.read().activity == ""


def test_a_wait_is_shown_until_there_is_news(teller: Teller) -> None:
    with directory_lock(teller.directory):
        teller.tell(DirectoryTaken(str(teller.directory)), step("gift", 50), wait("gift"))
        shown = teller.read(after=3)
        assert shown.steps["gift"] == StepNow(
            "5.0/s, about 10 s left", "waits 8.0 s of 2 min 0 s for callbacks: nothing yet"
        )
        teller.tell(step("gift", 100))
        assert teller.read().steps["gift"] == StepNow()
        teller.tell(wait("gift"), StageStarted("writing the reports"))
        assert teller.read().steps["gift"] == StepNow()


def test_its_size_depends_on_steps_alone(teller: Teller) -> None:
    with directory_lock(teller.directory):
        teller.tell(DirectoryTaken(str(teller.directory)), after=0)
        sizes = []
        for number in range(1, 300):
            teller.tell(step("gift", number % 90), wait("gift"), requests(number), CheckProgressed("gas", 1, 2, 0, 1.0))
            sizes.append((teller.directory / NAME).stat().st_size)
        assert max(sizes[10:]) - min(sizes[10:]) < 50


def test_it_is_not_written_for_each_event(teller: Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    monkeypatch.setattr("cicscenario.report.now.write_whole", lambda *arguments, **_: written.append(arguments))
    with directory_lock(teller.directory):
        teller.tell(DirectoryTaken(str(teller.directory)), after=0)
        teller.tell(*(step("gift", number % 90) for number in range(1000)), after=0.01)
        assert 9 <= len(written) <= 12  # ten seconds
        teller.tell(ReportWritten(str(teller.directory)), after=0.01)
        number = len(written)
        teller.tell(requests(5), StageStarted("anything"))
        assert len(written) == number  # then the report says more


def test_no_secret_is_in_it(teller: Teller) -> None:
    remember(["correct-horse-battery-8"])
    with directory_lock(teller.directory):
        teller.tell(DirectoryTaken(str(teller.directory)))
        teller.tell(Waiting("gift", "callbacks", 4, 5.0, 120.0, "refused: correct-horse-battery-8"))
    text = (teller.directory / NAME).read_text()
    assert "refused: " in text
    assert "correct-horse" not in text


def test_a_command_without_the_lock_leaves_it_to_the_one_that_has_it(teller: Teller) -> None:
    """A verification may be made while the run goes on."""
    teller.directory.mkdir(parents=True)
    (teller.directory / "lock").write_text(json.dumps({"pid": 1}))
    teller.tell(DirectoryTaken(str(teller.directory)), ServicesOpened({}), StageStarted("x"))
    assert read_now(teller.directory, teller.now) is None


def test_a_run_that_was_killed_is_known_until_a_report_is_written(teller: Teller) -> None:
    with directory_lock(teller.directory):
        teller.tell(DirectoryTaken(str(teller.directory)), RunStarted("s", "d", 100, {"gift": 0}), step("gift", 5))
    assert unended(teller.directory) == (True, (START + timedelta(seconds=4), RunStarted("s", "d", 100, {"gift": 0})))
    later = Teller(teller.directory)
    with directory_lock(teller.directory):  # a service does not start
        later.tell(DirectoryTaken(str(teller.directory)), StageStarted("x"), CommandFailed("no node", None, 3))
    assert unended(teller.directory)[1] is not None
    with directory_lock(teller.directory):
        later.tell(DirectoryTaken(str(teller.directory)), ReportWritten(str(teller.directory)))
    assert unended(teller.directory) == (True, None)


def test_a_run_that_never_began_was_not_killed(teller: Teller) -> None:
    assert unended(teller.directory) == (False, None)
    with directory_lock(teller.directory):
        teller.tell(DirectoryTaken(str(teller.directory)), StageStarted("x"), ServicesOpened({}))
    assert unended(teller.directory) == (True, None)


def test_what_cannot_be_read_is_said_and_what_is_of_a_later_version_is_left_out(tmp_path: Path) -> None:
    assert read_now(tmp_path, START) is None
    later = {"event": "NothingKnown", "time": "2026-01-02T03:04:05.000+00:00", "odd": 1}
    (tmp_path / NAME).write_text(json.dumps([later]))
    assert read_now(tmp_path, START) == Now()
    wrong = [
        "{",
        "{}",
        "[1]",
        '[{"event": "StageStarted"}]',
        '[{"event": "StageStarted", "time": "yesterday", "stage": "x"}]',
        '[{"event": "StageStarted", "time": "2026-13-02T03:04:05.000+00:00", "stage": "x"}]',
        '[{"event": {}}]',
        "\udc80",
    ]
    for text in wrong:
        (tmp_path / NAME).write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(InvalidError, match=r"now\.json is damaged"):
            read_now(tmp_path, START)


def test_what_cannot_be_read_or_written_stops_no_command(teller: Teller) -> None:
    (teller.directory / NAME).mkdir(parents=True)
    with directory_lock(teller.directory):
        teller.tell(DirectoryTaken(str(teller.directory)), StageStarted("x"), RunStarted("s", "d", 1, {}))
        teller.tell(ReportWritten(str(teller.directory)))
    with pytest.raises(InvalidError, match=r"now\.json is damaged: it cannot be read"):
        read_now(teller.directory, START)


def test_events_and_report_mean_the_same_by_the_figures_of_a_service() -> None:
    counted = load_schema("events-v1")["$defs"]["RequestsCounted"]["properties"]["services"]
    traffic = load_schema("report-v1")["properties"]["traffic"]
    assert {**counted, "description": ""} == {**traffic, "description": ""}
