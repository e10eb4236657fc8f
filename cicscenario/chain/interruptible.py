"""A blocking call that can be left: whatever it waits for (name server, connection, answer), it ends soon after a stop."""

import threading
from collections.abc import Callable
from typing import TypeVar

from cicscenario.errors import InterruptedRunError

T = TypeVar("T")

GRACE = 0.7  # seconds that a call under way may still take after ``stopping`` is set
_LOOK = 0.1  # seconds between looks at ``stopping``


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
