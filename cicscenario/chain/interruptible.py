"""Waits that end soon after a stop, whatever they wait for: a name server, a connection, an answer, a pause."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from cicscenario.errors import InterruptedRunError

T = TypeVar("T")

GRACE = 0.7  # seconds that a call under way may still take after ``stopping`` is set
_LOOK = 0.1  # seconds between looks at ``stopping``


class StopEvent(threading.Event):
    """An event that is set by itself, or together with ``parent``: the end of a part, and the end of the whole."""

    def __init__(self, parent: threading.Event | None = None) -> None:
        super().__init__()
        self._parent = parent

    def is_set(self) -> bool:
        return super().is_set() or (self._parent is not None and self._parent.is_set())

    def wait(self, timeout: float | None = None) -> bool:
        end = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = _LOOK if end is None else min(_LOOK, end - time.monotonic())
            if left <= 0:
                break
            super().wait(left)
        return self.is_set()


def interruptible(call: Callable[[], T], stopping: threading.Event | None) -> T:
    """What ``call`` gives or raises; raises InterruptedRunError when ``stopping`` is set before, or GRACE seconds after.

    With ``stopping`` the call runs in a thread of its own. One that is left goes on there until its own time-out, so what
    it uses must not be used again; the thread does not keep the process alive.
    """
    if stopping is None:
        return call()
    done = threading.Event()
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)
        done.set()

    if not stopping.is_set():
        threading.Thread(target=run, name="request", daemon=True).start()
        while not done.wait(_LOOK):
            if stopping.is_set():
                done.wait(GRACE)
                break
    if errors:
        raise errors[0]
    if not results:
        raise InterruptedRunError("stopped while the chain node was asked; everything done so far is saved")
    return results[0]
