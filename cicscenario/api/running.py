"""A run that goes on in a thread of its own, and the events that it tells meanwhile."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, Queue
from types import TracebackType
from typing import Self

from cicscenario.api.result import RunResult
from cicscenario.engine.events import Event, Listener
from cicscenario.errors import as_told

_AHEAD = 1000  # events that wait for their reader; then the run waits, too
_POLL = 0.1  # seconds


class Stop:
    """Asks one run or verification to stop, from any thread: it finishes and saves what it has begun, and then raises
    InterruptedRunError.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._asked = False
        self._stops: list[Callable[[], None]] = []

    def ask(self) -> None:
        """Asks it, also before it has begun."""
        with self._mutex:
            self._asked = True
            stops = list(self._stops)
        for stop in stops:
            stop()

    @contextmanager
    def stoppable(self, stop: Callable[[], None]) -> Iterator[None]:
        """Calls ``stop`` when it is asked; see ``engine.run.Stoppable``."""
        with self._mutex:
            self._stops.append(stop)
            asked = self._asked
        if asked:
            stop()
        try:
            yield
        finally:
            with self._mutex:
                self._stops.remove(stop)


class Running(Iterator[Event]):
    """A run or verification under way. Iterated, it gives the events as they come, and then raises what has stopped it.

    It begins with the first event that is asked for. At the end of a ``with`` block it is over: if it is still under way then,
    it is stopped, and saves what it has begun. A run that has a thousand events more than were asked for waits.
    """

    def __init__(self, body: Callable[[Listener, Stop], RunResult]) -> None:
        self._body = body
        self._stop = Stop()
        self._queue: Queue[Event | None] = Queue(_AHEAD)  # None is the end
        self._thread = threading.Thread(target=self._carry_out, name="run", daemon=True)
        self._begun = self._ended = False
        self._result: RunResult | None = None
        self._error: BaseException | None = None

    @property
    def result(self) -> RunResult:
        """What came of it. Raises RuntimeError while it is under way, and again what has stopped it."""
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise RuntimeError("it is still under way: its result is known after its last event")
        return self._result

    def stop(self) -> None:
        """Asks it to stop. The events that it tells until then still come, and then InterruptedRunError is raised."""
        self._stop.ask()

    def __next__(self) -> Event:
        if self._ended:
            raise StopIteration
        if not self._begun:
            self._begun = True
            self._thread.start()
        event = self._queue.get()
        if event is not None:
            return event
        self._ended = True
        self._thread.join()
        if self._error is not None:
            raise self._error
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._begun:
            return
        self._stop.ask()
        while self._thread.is_alive():  # it may wait until there is room for an event
            try:
                self._queue.get(timeout=_POLL)
            except Empty:
                continue
        self._ended = True

    def _carry_out(self) -> None:
        try:
            self._result = self._body(self._queue.put, self._stop)
        except BaseException as error:
            told = as_told(error)
            if told is not None and told is not error:
                told.__cause__ = error
            self._error = told or error
        finally:
            self._queue.put(None)
