"""What a command shows, it also logs; also when nobody reads any more what it shows."""

import errno
from pathlib import Path

import pytest

from cicscenario.engine.events import CommandFailed, DirectoryTaken, Event, Noted
from cicscenario.errors import ExitCode
from cicscenario.report.listeners import Listening


def gone(event: Event) -> None:
    raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def log_of(folder: Path) -> list[str]:
    """The lines of the log, without the time."""
    return [line.partition(" ")[2] for line in (folder / "run.log").read_text().splitlines()]


def test_the_log_says_that_nobody_reads_the_output_any_more(tmp_path: Path) -> None:
    show = Listening(gone, lambda event: None)
    with pytest.raises(BrokenPipeError) as caught:
        show(DirectoryTaken(str(tmp_path)))
    assert show.failed(caught.value) is ExitCode.INTERRUPTED, "and it is not shown again"
    assert log_of(tmp_path)[-1] == "error: stopped, since nobody reads its output any more"


def test_a_service_that_hangs_up_is_not_taken_for_the_reader(tmp_path: Path) -> None:
    shown: list[Event] = []
    show = Listening(shown.append, lambda event: None)
    show(DirectoryTaken(str(tmp_path)))
    show(Noted("a word"))
    assert show.failed(BrokenPipeError(errno.EPIPE, "Broken pipe")) is ExitCode.INTERNAL
    assert isinstance(shown[-1], CommandFailed)
    assert log_of(tmp_path)[-1].startswith("error: internal error: BrokenPipeError")
