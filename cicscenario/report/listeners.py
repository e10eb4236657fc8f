"""The listeners of a command: the console or JSON lines, the log, and the reports and the verdict at its end."""

from collections.abc import Callable, Iterator
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
    """Shows events, logs them, and writes all report forms at the end. ``unwritten`` says why that failed, if it did.

    ``show`` is told of all events but the last, which is the verdict, and ``show_verdict`` of that one.
    """

    def __init__(self, show: Listener, show_verdict: Callable[[CommandEnded], None]) -> None:
        self.unwritten: str | None = None
        self.directory: Path | None = None  #: of the run, when its reports are written
        self.stopwatch = Stopwatch()
        self._show = show
        self._show_verdict = show_verdict
        self._log = RunLog()
        self._now = NowFile()
        self._unread = False  # whoever read what is shown has gone, as ``head`` does

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
                self.directory = Path(event.directory)
        self._record(event)
        try:
            self._show(event)
        except BrokenPipeError:
            self._unread = True
            raise

    def _record(self, event: Event) -> None:
        self._log(event)
        self._now(event)

    @property
    def following(self) -> str | None:
        """The command that goes on, as this command has recorded it; None when it has recorded none."""
        known = self._recorded()
        return known.next if known else None

    def failed(self, error: BaseException) -> ExitCode:
        """Tells of the error that ends the command. Returns the exit code that it has."""
        if self._unread:
            self._record(
                CommandFailed("stopped, since nobody reads its output any more", None, int(ExitCode.INTERRUPTED))
            )
            return ExitCode.INTERRUPTED
        known = as_told(error)
        if known is None:
            stopped = isinstance(error, KeyboardInterrupt)
            code = ExitCode.INTERRUPTED if stopped else ExitCode.INTERNAL
            text = "interrupted" if stopped else f"internal error: {type(error).__name__}: {error}"
            self(CommandFailed(without_known(text), None, int(code)))
            return code
        hint = without_known(known.hint) if known.hint else None
        self(CommandFailed(without_known(known.message), hint, int(known.exit_code)))
        return known.exit_code

    def end(self, code: ExitCode) -> CommandEnded:
        """Tells the verdict, as the last line; returns it."""
        report = str(self.directory / "report.html") if self.directory else None
        event = ended(self._recorded(), code, self.stopwatch.seconds, report)
        self._log(event)
        self._log.close()
        self._show_verdict(event)
        return event

    def _recorded(self) -> Recorded | None:
        """What this command has recorded."""
        try:
            return recorded(self.directory) if self.directory else None
        except (OSError, InvalidError):
            return None


@contextmanager
def listening(stream: TextIO, view: View) -> Iterator[Listening]:
    """Shows events on ``stream``, logs them, and writes all report forms at the end. After the block, call ``end``."""
    shown = nullcontext(JsonLines(stream)) if view.as_json else console(stream, view.colour, verbose=view.verbose)
    with shown as show, Liveness(show) as heard:
        yield Listening(heard, heard if view.as_json else lambda event: verdict_shown(event, stream, view.colour))


@contextmanager
def telling(listener: Listener) -> Iterator[Listening]:
    """Tells ``listener`` all events, logs them, and writes all report forms at the end; shows nothing. Call ``end`` after it."""
    with Liveness(listener) as heard:
        yield Listening(heard, heard)
