"""Everything that listens to a run: what is shown, and the reports at its end."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TextIO

from cicscenario.engine.events import Event, Listener, Notice
from cicscenario.errors import InvalidError
from cicscenario.report.console import console
from cicscenario.report.jsonl import JsonLines
from cicscenario.report.rendered import write_when_over


@contextmanager
def listening(stream: TextIO, *, as_json: bool) -> Iterator[Listener]:
    """Shows events on ``stream``, for a person or as JSON lines, and writes every form of the report at the end."""
    with nullcontext(JsonLines(stream)) if as_json else console(stream) as show:

        def tell(event: Event) -> None:
            try:
                write_when_over(event)
            except (OSError, InvalidError) as error:  # what the run came to must not be lost over how it is told
                show(Notice(f"the reports cannot be written: {error}"))
            else:
                show(event)

        yield tell
