"""When a command began and how long it took is the same in the console, ``status``, ``runs``, ``compare`` and each report."""

from pathlib import Path

import pytest

from cicscenario.cli import runs as command
from cicscenario.cli.status import _ended
from cicscenario.engine.stopwatch import Stopwatch
from cicscenario.errors import ExitCode
from cicscenario.report.html import as_html
from cicscenario.report.markdown import as_markdown
from cicscenario.report.rendered import recorded
from cicscenario.report.took import in_words, last_command, took
from cicscenario.report.verdict import ended
from tests.support import recordings

#: The timeline of the recorded run has four seconds, so none of these numbers is from there.
TIME = {"began": "2026-01-02T03:03:05+00:00", "seconds": 69.4, "services_seconds": 50.2, "command": "repair"}
WORDS = "1 min 9 s, of which services 50 s"


def test_it_is_the_same_wherever_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CICSCENARIO_HOME", str(tmp_path))
    recordings.run_directory(tmp_path / "runs" / "it", recordings.good() | TIME)
    found = recorded(tmp_path / "runs" / "it")
    event = ended(found, ExitCode.OK, 123.0, None)
    assert (event.verdict, event.seconds) == (f"Everybody arrived: 1,000 people, 2 checks, {WORDS}", 69.4)
    assert f"(repair began {TIME['began']}, ended {found.report['written']}, took {WORDS})" in _ended(found)
    assert f"Repair began {TIME['began']}, took {WORDS}." in as_markdown(found).replace("\\", "")
    page = as_html(found)
    assert f"<dt>Took</dt><dd>{WORDS}</dd>" in page
    assert "<dt>Began</dt><dd>2026-01-02 03:03:05 UTC</dd>" in page
    assert "<dt>Steps took</dt><dd>4.0 s</dd>" in page
    command.runs("text")
    assert f"  repair        2026-01-02 03:03:05 UTC  {WORDS}  4.0 s" in capsys.readouterr().out
    command.compare("it", "it", 25.0, "text")
    line = f"repair began {TIME['began']}, took {WORDS}\n"
    assert capsys.readouterr().out.startswith(f"before: {line}now: {line}")


def test_a_run_that_has_not_ended_does_not_get_the_time_of_an_earlier_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = recordings.run_directory(tmp_path / "it", recordings.good() | TIME)
    monkeypatch.setattr(command, "phase_of", lambda _: command.Phase.KILLED)
    line = command._line(place, "it")
    assert (line.command, line.seconds, line.timeline_seconds) == (None, None, 4.0)
    assert line.began not in (None, TIME["began"])


@pytest.mark.parametrize(("services", "words"), [(0.0, "20 s"), (0.9, "20 s"), (1.0, "20 s, of which services 1.0 s")])
def test_the_services_are_named_when_they_took_a_second(services: float, words: str) -> None:
    assert in_words(20, services) == words


def test_what_an_earlier_version_did_not_record_is_not_made_up() -> None:
    assert (took({}), last_command({}), last_command({"seconds": 3})) == (None, None, None)
    assert took({"seconds": 3}) == "3.0 s"


def test_only_the_opening_counts_for_the_services() -> None:
    times = iter([0.0, 2.0, 7.0, 11.0])
    stopwatch = Stopwatch(clock=lambda: next(times))
    with stopwatch.opening_services():
        pass
    assert (stopwatch.services, stopwatch.seconds) == (5.0, 11.0)
