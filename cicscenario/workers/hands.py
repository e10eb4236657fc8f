"""What work is done with: the services and the limits of the process that does it, a run's or a worker's."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from cicscenario.errors import CicScenarioError

if TYPE_CHECKING:  # each is loaded when it is first needed
    from cicscenario.services.meta import MetaClient

Common = Mapping[str, Any]  #: what all items of a task share; plain data, as JSON has it
Done = tuple[
    int, Any | CicScenarioError
]  #: the index of an item; and its result, plain data, or the error of this item alone


class Services(Protocol):
    """The clients of an environment that work needs."""

    @property
    def meta(self) -> "MetaClient":
        """The metadata store."""


@dataclass(frozen=True)
class Hands:
    """The process in which work is done. ``services`` are those of its environment.

    Work ends early, or raises InterruptedRunError, when ``stopping`` is set. ``threads`` is the number of cores that it may use;
    None: all. ``turn`` is entered for what one process at a time may do; it raises InterruptedRunError when nobody wants the work
    any more.
    """

    services: Services
    stopping: threading.Event
    threads: int | None = None
    turn: Callable[[], AbstractContextManager[None]] = nullcontext


#: Does the items of a task. Gives each result as soon as it is known. Raises UnavailableError when the rest cannot be done.
Work = Callable[[Hands, Common, Iterable[Any]], Iterator[Done]]
