"""The last line of a command, and its log."""

import io
import json
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cicscenario.address import remember
from cicscenario.engine.events import CommandFailed, DirectoryTaken, Noted, ReportWritten, RequestRepeated, Waiting
from cicscenario.errors import ExitCode
from cicscenario.report.jsonl import JsonLines
from cicscenario.report.listeners import View, listening
from cicscenario.report.recorded import Recorded
from cicscenario.report.runlog import RunLog
from cicscenario.report.verdict import ended, verdict_line
from cicscenario.resources import load_schema
from tests.support import recordings

FORM = Draft202012Validator(load_schema("events-v1"))


def report(**changed: Any) -> Recorded:
    return Recorded(recordings.good() | changed, None)


def test_everybody_arrived() -> None:
    event = ended(report(), ExitCode.OK, 58.2, "/runs/a/report.html")
    assert event.verdict == "Everybody arrived: 1,000 people, 2 checks, 58 s. Report: /runs/a/report.html"
    assert event.good


def test_some_did_not_arrive() -> None:
    checks = recordings.good()["checks"]
    wrong = [checks[0] | {"errors": 12}, checks[1] | {"errors": 14}]
    held = report(exit_code=1, checks=wrong, astray=21)
    names = ", ".join(f"{check['name']} {check['errors']}" for check in wrong)
    assert verdict_line(held) == f"21 of 1,000 people did not arrive: errors in 2 of 2 checks ({names})"
    stopped = report(exit_code=3, checks=wrong, astray=21)
    assert verdict_line(stopped) == (
        "Stopped: a service does not answer, a step failed or a deadline passed: 21 of 1,000 people did not arrive:"
        f" errors in 2 of 2 checks ({names})"
    )
    assert not ended(held, ExitCode.CHECKS_FAILED, 1, None).good


def test_a_run_that_stopped_says_where() -> None:
    steps = recordings.good()["steps"]
    steps[1] = steps[1] | {"ok": 480, "failed": 20, "pending": 500}
    line = verdict_line(report(exit_code=3, steps=steps, checks=[]))
    assert line.startswith("Stopped: a service does not answer, a step failed or a deadline passed: 1,000 people; ")
    assert line.endswith(f"{steps[1]['name']}: 480 ok, 20 failed, 500 pending of 1,000")


@pytest.mark.parametrize("code", ExitCode)
def test_a_command_that_recorded_nothing_has_a_verdict_too(code: ExitCode) -> None:
    event = ended(None, code, 0.3, None)
    assert event.verdict.endswith(", 0.3 s")
    assert len(event.verdict) > 10
    assert (event.good, event.report, event.population) == (False, None, None)


@pytest.mark.parametrize("as_json", [False, True])
def test_the_last_line_is_the_verdict(tmp_path: Path, as_json: bool) -> None:
    place = recordings.run_directory(tmp_path / "run", recordings.good())
    stream = io.StringIO()
    with listening(stream, View(as_json=as_json)) as show:
        show(DirectoryTaken(str(place)))
        show(ReportWritten(str(place)))
    show.end(ExitCode.OK)
    last = stream.getvalue().splitlines()[-1]
    if as_json:
        FORM.validate(json.loads(last))
        last = json.loads(last)["verdict"]
    assert last.startswith("Everybody arrived: 1,000 people, 2 checks, ")
    assert last.endswith(f". Report: {place}/report.html")
    assert last in (place / "run.log").read_text().splitlines()[-1]


def test_every_event_has_its_time_and_they_never_go_back() -> None:
    stream = io.StringIO()
    times = [datetime(2026, 11, 26, 14, 0, second, 123_456, UTC) for second in (1, 2, 5)]
    show = JsonLines(stream, iter(times).__next__)
    for event in (Noted("a"), Waiting("gift", "b", 1, 2.0, None, ""), CommandFailed("c", None, 3)):
        show(event)
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    for line in told:
        FORM.validate(line)
    assert [line["time"] for line in told] == [f"2026-11-26T14:00:0{second}.123+00:00" for second in (1, 2, 5)]


def test_times_never_go_back_between_threads() -> None:
    """The first event has its time, and is not written yet, when another thread comes with the second."""
    stream, second_written = io.StringIO(), threading.Event()
    times = iter(datetime(2026, 11, 26, 14, 0, second, tzinfo=UTC) for second in (1, 2))
    second = threading.Thread(target=lambda: (show(Noted("b")), second_written.set()))

    def time() -> datetime:
        now = next(times)
        if now.second == 1:
            second.start()
            second_written.wait(0.5)
        return now

    show = JsonLines(stream, time)
    show(Noted("a"))
    second.join()
    assert [json.loads(line)["time"][17:19] for line in stream.getvalue().splitlines()] == ["01", "02"]


def test_a_field_that_the_schema_does_not_have_is_seen() -> None:
    stream = io.StringIO()
    JsonLines(stream)(Noted("a"))
    line = json.loads(stream.getvalue())
    assert FORM.is_valid(line)
    assert not FORM.is_valid(line | {"more": 1})
    assert not FORM.is_valid({key: value for key, value in line.items() if key != "time"})


# --- the log ----------------------------------------------------------------------------------------------------------


class Seconds:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 26, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def test_the_log_has_what_was_repeated_also_before_the_directory_was_taken(tmp_path: Path) -> None:
    log = RunLog(Seconds())
    log(RequestRepeated("chain", "it refuses connections"))
    assert not (tmp_path / "run.log").exists()
    log(DirectoryTaken(str(tmp_path)))
    log(RequestRepeated("meta", "it answered 503\nerror: all people"))
    log.close()
    assert (tmp_path / "run.log").read_text().splitlines() == [
        "2026-11-26T00:00:01.000+00:00 chain: a request is sent again: it refuses connections",
        "2026-11-26T00:00:02.000+00:00 meta: a request is sent again: it answered 503\\nerror: all people",
    ]
    assert stat.S_IMODE((tmp_path / "run.log").stat().st_mode) == 0o600


def test_the_log_goes_on_where_an_earlier_command_ended_and_stays_small(tmp_path: Path) -> None:
    for _ in range(3):
        log = RunLog(Seconds(), largest=5000)
        log(DirectoryTaken(str(tmp_path)))
        for number in range(200):
            log(Noted(f"line {number}"))
            assert (tmp_path / "run.log").stat().st_size <= 5000
        log.close()
    lines = (tmp_path / "run.log").read_text().splitlines()
    assert lines[-1].endswith(" line 199")
    assert all(line.startswith("2026-") for line in lines)
    assert stat.S_IMODE((tmp_path / "run.log").stat().st_mode) == 0o600


def test_no_secret_is_in_the_log(tmp_path: Path) -> None:
    remember(["correct-horse-battery-7"])
    log = RunLog()
    log(DirectoryTaken(str(tmp_path)))
    log(CommandFailed("refused: correct-horse-battery-7", None, 3))
    log.close()
    assert "refused: " in (tmp_path / "run.log").read_text()
    assert "correct-horse" not in (tmp_path / "run.log").read_text()


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "run.log").mkdir()
    log = RunLog()
    log(DirectoryTaken(str(tmp_path)))
    log(Noted("a"))
    log.close()
