"""What ^C and SIGTERM do to a command that works for long."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from cicscenario.errors import ExitCode

_SAID = b"\nstopping: what is done is saved first, which takes about a second; once more leaves at once\n"


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """The first ^C or SIGTERM asks to ``stop``; the second leaves at once, which the ledger makes safe too."""
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            os._exit(ExitCode.INTERRUPTED)
        asked = True
        os.write(2, _SAID)  # a handler may not use the buffers that it has interrupted
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
