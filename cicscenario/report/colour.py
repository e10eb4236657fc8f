"""Colour on a terminal, if it is wanted there: https://no-color.org."""

import os
from typing import TextIO

from cicscenario.engine.events import CheckFinished, CommandEnded, Event, Noted, RequestRepeated, Waiting
from cicscenario.printable import Colour


def is_terminal(stream: TextIO) -> bool:
    """Whether the stream is a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def coloured(stream: TextIO, choice: Colour) -> bool:
    """Whether the output to ``stream`` is coloured."""
    if choice is Colour.AUTO:
        return is_terminal(stream) and not os.environ.get("NO_COLOR")
    return choice is Colour.ALWAYS


def tone(event: Event) -> str | None:
    """What the line of an event is: good, bad, doubtful or faint; None for an ordinary one."""
    match event:
        case CheckFinished():
            return "bad" if event.errors else "good"
        case CommandEnded():
            return "good" if event.good else "bad"
        case Noted() if event.text.startswith("warning"):
            return "doubtful"
        case RequestRepeated() | Waiting():
            return "faint"
    return None
