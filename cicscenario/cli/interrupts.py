"""Handles ^C and SIGTERM in commands that run for a long time."""

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from cicscenario.errors import ExitCode

_STOPPING = b"\nstopping: finished work is saved first, which takes about a second; ^C once more ends at once\n"


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """The first ^C or SIGTERM calls ``stop``; the second ends the process at once. The ledger makes both safe."""
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            os._exit(ExitCode.INTERRUPTED)
        asked = True
        stop()  # first: a terminal that is held (^S), or a pager that is left open, takes no text
        if select.select([], [2], [], 0)[1]:
            os.write(2, _STOPPING)  # a signal handler must not use buffered streams

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
