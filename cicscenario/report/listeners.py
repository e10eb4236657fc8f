"""The listeners of a run: the console or JSON lines, and the reports at its end."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TextIO

from cicscenario.engine.events import Event, Listener, Noted
from cicscenario.errors import InvalidError
from cicscenario.report.console import console
from cicscenario.report.jsonl import JsonLines
from cicscenario.report.rendered import write_when_over


@contextmanager
def listening(stream: TextIO, *, as_json: bool) -> Iterator[Listener]:
    """Shows events on ``stream``, as console output or JSON lines, and writes all report forms at the end."""
    with nullcontext(JsonLines(stream)) if as_json else console(stream) as show:

        def tell(event: Event) -> None:
            try:
                write_when_over(event)
            except (OSError, InvalidError) as error:
                # A failure to write reports must not replace the result of the run.
                show(Noted(f"the reports cannot be written: {error}"))
            else:
                show(event)

        yield tell
