"""The listeners of a run: the console or JSON lines, and the reports at its end."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TextIO

from cicscenario.engine.events import Event, Listener, Noted
from cicscenario.errors import InvalidError, as_told
from cicscenario.report.console import console
from cicscenario.report.jsonl import JsonLines
from cicscenario.report.rendered import write_when_over


class Listening:
    """Shows events, and writes all report forms at the end. ``unwritten`` says why that failed, if it did."""

    def __init__(self, show: Listener) -> None:
        self.unwritten: str | None = None
        self._show = show

    def __call__(self, event: Event) -> None:
        try:
            write_when_over(event)
        except (OSError, InvalidError) as error:
            # A failure to write reports must not replace an error that ends the run.
            told = as_told(error)
            self.unwritten = f"the reports cannot be written: {told.message if told else error}"
            self._show(Noted(self.unwritten))
        else:
            self._show(event)


@contextmanager
def listening(stream: TextIO, *, as_json: bool) -> Iterator[Listening]:
    """Shows events on ``stream``, as console output or JSON lines, and writes all report forms at the end."""
    with nullcontext(JsonLines(stream)) if as_json else console(stream) as show:
        yield Listening(show)
