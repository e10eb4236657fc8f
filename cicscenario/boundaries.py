"""Names the points where a run changes something that outlives it, and can end the process at any of them, for tests.

A ``Boundary`` is declared once, as a constant beside the code that it guards, and has two points: before the change and
after it. A test sets ``CICSCENARIO_FAILPOINT=NAME:before|after:COUNT:kill`` to end the process with SIGKILL there.
"""

import os
import signal
import threading
from collections.abc import Callable

from cicscenario.errors import InvalidError

FAILPOINT = "CICSCENARIO_FAILPOINT"  #: environment variable: the point at which the process ends
SIDES = ("before", "after")

Observer = Callable[[str, str], None]  #: is called with a boundary's name and the side, in the thread that is there

_declared: dict[str, "Boundary"] = {}
_observer: Observer | None = None


class Boundary:
    """A durable write or an external effect; the ``with`` block carries it out.

    When the block raises, its second point is not reached. Safe for use by many threads, and may be entered again within
    itself.
    """

    def __init__(self, name: str) -> None:
        if name in _declared:
            raise AssertionError(f"the boundary {name} is declared twice")
        self.name = name
        _declared[name] = self

    def __enter__(self) -> None:
        if _observer is not None:
            _observer(self.name, "before")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if _observer is not None and kind is None:
            _observer(self.name, "after")


def declared() -> tuple[str, ...]:
    """The names of all boundaries in the modules that are imported so far, sorted."""
    return tuple(sorted(_declared))


def observe(observer: Observer | None) -> None:
    """Has ``observer`` called at every point from now on; None for nobody."""
    global _observer
    _observer = observer


def kill_at(text: str) -> None:
    """Ends this process with SIGKILL at a point, such as ``state.outcomes:after:2:kill``: the second time it is reached.

    Raises InvalidError for a text of another form, and for a name that ``declared`` does not give.
    """
    name, side, count, action = [*text.split(":", 3), "", "", ""][:4]
    if name not in _declared:
        raise InvalidError(f"{FAILPOINT}: there is no boundary `{name}`; there are {', '.join(declared())}")
    if side not in SIDES or not (count.isascii() and count.isdigit() and int(count)) or action != "kill":
        raise InvalidError(
            f"{FAILPOINT} is {text!r}; expected NAME:before:COUNT:kill or NAME:after:COUNT:kill, COUNT from 1 on"
        )
    observe(_Killer(name, side, int(count)))


class _Killer:
    """Kills the process when it reaches the point for the ``count``-th time."""

    def __init__(self, name: str, side: str, count: int) -> None:
        self._point = (name, side)
        self._count = count
        self._reached = 0
        self._mutex = threading.Lock()

    def __call__(self, name: str, side: str) -> None:
        if (name, side) == self._point:
            with self._mutex:
                self._reached += 1
                if self._reached == self._count:
                    os.kill(os.getpid(), signal.SIGKILL)
