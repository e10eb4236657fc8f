"""^C and SIGTERM, in every command: the first asks it to stop, the second ends the process at once.

Python calls a signal's handler in the main thread, between two instructions. While that thread waits in a library of C, as
libpq does for PostgreSQL, no handler is called. So a thread of its own reads the numbers of the signals that have come.

A signal that comes just before that thread begins to wait for input does not end its waiting, and nor does one that the kernel
gives to another thread. So the main thread is woken until it has called the handler.
"""

import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from cicscenario.errors import ExitCode

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STOPPING = "stopping: finished work is saved first, which takes about a second; ^C once more ends at once"

_stops: list[Callable[[], None]] = []  # what stops the part of the command that is under way
_watched = False
_heard = threading.Event()  # the handler was called
_WAKE = signal.SIGURG  # ends a wait for input, and means nothing otherwise
_SOON = 0.1  # seconds until the main thread is woken
_told: list[Callable[[str], None]] = []  # who tells the user that the command is stopping


@contextmanager
def interrupts_told(tell: Callable[[str], None]) -> Iterator[None]:
    """In the block ``tell`` says that the command is stopping, since it knows what else is on the terminal."""
    _told.append(tell)
    try:
        yield
    finally:
        _told.remove(tell)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """The first ^C or SIGTERM in the block stops what is in ``stopped_by_signals``, and is a KeyboardInterrupt elsewhere.

    The second ends the process at once, whatever it waits for. The ledger makes both safe. Within another such block, and
    outside the main thread, this block changes nothing.
    """
    global _watched
    if _watched or threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = {number: signal.signal(number, _handle) for number in _SIGNALS}
    before[_WAKE] = signal.signal(_WAKE, _wake)
    _heard.clear()
    woken = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    watching = threading.Thread(target=_watch, args=(reading,), name="signals", daemon=True)
    watching.start()
    _watched = True
    try:
        yield
    finally:
        _watched = False
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writing)
        watching.join()
        os.close(reading)


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """The first ^C or SIGTERM calls ``stop``; the second ends the process at once."""
    with ended_by_signals():
        _stops.append(stop)
        try:
            yield
        finally:
            _stops.remove(stop)


def _watch(reading: int) -> None:
    asked = False
    while True:
        if asked and not _heard.is_set() and not select.select([reading], [], [], _SOON)[0]:
            signal.pthread_kill(threading.main_thread().ident or 0, _WAKE)
            continue
        numbers = os.read(reading, 64)
        if not numbers:
            return
        for number in numbers:
            if number in _SIGNALS:
                if asked:
                    os._exit(ExitCode.INTERRUPTED)
                asked = True
                _stop()


def _stop() -> None:
    stops = list(_stops)
    for stop in stops:
        stop()  # first: a terminal that is held (^S), or a pager that is left open, takes no text
    if not stops:
        return
    if _told:  # in a thread, which may wait for such a terminal
        threading.Thread(target=_told[-1], args=(_STOPPING,), name="stopping", daemon=True).start()
    elif select.select([], [2], [], 0)[1]:
        os.write(2, f"\n{_STOPPING}\n".encode())  # unbuffered: the main thread may be in the middle of writing


def _wake(number: int, frame: FrameType | None) -> None:
    """Python calls the handlers of all signals that have come when this one ends a wait."""


def _handle(number: int, frame: FrameType | None) -> None:
    _heard.set()
    if not _stops:
        raise KeyboardInterrupt
