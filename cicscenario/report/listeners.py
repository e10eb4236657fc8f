"""The listeners of a command: the console or JSON lines, the log, and the reports and the verdict at its end."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from cicscenario.address import without_known
from cicscenario.engine.events import CommandEnded, CommandFailed, Event, Listener, Noted, ReportWritten
from cicscenario.engine.stopwatch import Stopwatch
from cicscenario.errors import ExitCode, InvalidError, as_told
from cicscenario.printable import Colour
from cicscenario.report.console import console, verdict_shown
from cicscenario.report.jsonl import JsonLines
from cicscenario.report.liveness import Liveness
from cicscenario.report.now import NowFile
from cicscenario.report.recorded import Recorded
from cicscenario.report.rendered import recorded, write_when_over
from cicscenario.report.runlog import RunLog
from cicscenario.report.verdict import ended


@dataclass(frozen=True)
class View:
    """How a command shows what happens: as JSON lines or for people, with which colours, with what is repeated or without."""

    as_json: bool = False
    colour: Colour = Colour.AUTO
    verbose: bool = False


class Listening:
    """Shows events, logs them, and writes all report forms at the end. ``unwritten`` says why that failed, if it did."""

    def __init__(self, show: Listener, stream: TextIO, view: View) -> None:
        self.unwritten: str | None = None
        self.stopwatch = Stopwatch()
        self._show = show
        self._stream = stream
        self._view = view
        self._log = RunLog()
        self._now = NowFile()
        self._directory: Path | None = None

    def __call__(self, event: Event) -> None:
        try:
            write_when_over(event)
        except (OSError, InvalidError) as error:
            # A failure to write reports must not replace an error that ends the run.
            told = as_told(error)
            self.unwritten = f"the reports cannot be written: {told.message if told else error}"
            event = Noted(self.unwritten)
        else:
            if isinstance(event, ReportWritten):
                self._directory = Path(event.directory)
        self._log(event)
        self._now(event)
        self._show(event)

    @property
    def following(self) -> str | None:
        """The command that goes on, as this command has recorded it; None when it has recorded none."""
        known = self._recorded()
        return known.next if known else None

    def failed(self, error: BaseException) -> None:
        """Tells of the error that ends the command."""
        known = as_told(error)
        if known is None:
            stopped = isinstance(error, KeyboardInterrupt)
            code = ExitCode.INTERRUPTED if stopped else ExitCode.INTERNAL
            text = "interrupted" if stopped else f"internal error: {type(error).__name__}: {error}"
            self(CommandFailed(without_known(text), None, int(code)))
        else:
            hint = without_known(known.hint) if known.hint else None
            self(CommandFailed(without_known(known.message), hint, int(known.exit_code)))

    def end(self, code: ExitCode) -> CommandEnded:
        """Tells the verdict, as the last line; returns it."""
        report = str(self._directory / "report.html") if self._directory else None
        event = ended(self._recorded(), code, self.stopwatch.seconds, report)
        self._log(event)
        self._log.close()
        if self._view.as_json:
            self._show(event)
        else:
            verdict_shown(event, self._stream, self._view.colour)
        return event

    def _recorded(self) -> Recorded | None:
        """What this command has recorded."""
        try:
            return recorded(self._directory) if self._directory else None
        except (OSError, InvalidError):
            return None


@contextmanager
def listening(stream: TextIO, view: View) -> Iterator[Listening]:
    """Shows events on ``stream``, logs them, and writes all report forms at the end. After the block, call ``end``."""
    shown = nullcontext(JsonLines(stream)) if view.as_json else console(stream, view.colour, verbose=view.verbose)
    with shown as show, Liveness(show) as heard:
        yield Listening(heard, stream, view)
