"""Blocking calls that end within a second after the run is stopped, even if the server does not answer.

Python cannot interrupt a thread that waits for a server, so another thread shuts down its socket.
"""

import contextlib
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar, cast

from cicscenario.errors import InterruptedRunError

_T = TypeVar("_T")
_GRACE = 0.6  # seconds after the stop during which running calls may still finish
_CUT_INTERVAL = 0.15  # seconds between attempts to end the calls that are still running
_IDLE_POLL = 1.0  # seconds between checks whether the watching thread is still needed
_PARENT_POLL = 0.1  # seconds between checks of the parent of a StopEvent


class StopEvent(threading.Event):
    """The stop of one part of a run: set by itself, or when ``parent``, the stop of the whole run, is set."""

    def __init__(self, parent: threading.Event | None = None) -> None:
        super().__init__()
        self._parent = parent

    def is_set(self) -> bool:
        return super().is_set() or (self._parent is not None and self._parent.is_set())

    def wait(self, timeout: float | None = None) -> bool:
        end = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = _PARENT_POLL if end is None else min(_PARENT_POLL, end - time.monotonic())
            if left <= 0:
                break
            super().wait(left)
        return self.is_set()


class Cancellation:
    """Ends the blocking calls of one client when ``stopping`` is set. Safe for use by many threads.

    Calls may still finish, and begin, for ``grace`` seconds after the stop. Then running calls are ended, and they and all
    new calls raise InterruptedRunError. Without an event no call is ever ended.
    """

    def __init__(self, stopping: threading.Event | None = None, grace: float = _GRACE) -> None:
        self.stopping = stopping
        self._grace = grace
        self._mutex = threading.Lock()
        self._cuts: dict[object, Callable[[], object]] = {}
        self._watched = False
        self._cutting = False  # the run is stopped, and the grace period is over

    @contextlib.contextmanager
    def during(self, cut: Callable[[], object]) -> Iterator[None]:
        """The block makes one blocking call, and ``cut`` ends that call. Another thread calls ``cut``, perhaps several times."""
        if self.stopping is None:
            yield
            return
        call = object()
        self._begin(call, cut)
        try:
            yield
        except Exception:
            if self._cutting:  # the error comes from the socket that was shut down, not from the server
                raise _stopped() from None  # what a library says may have the address in it, and so a key
            raise
        finally:
            with self._mutex:
                del self._cuts[call]

    def in_thread(self, call: Callable[[], _T], discard: Callable[[_T], object] = lambda _: None) -> _T:
        """The result of a call that cannot be ended from outside, such as the look-up of a host name.

        It runs in a thread of its own. If the run is stopped before it returns, that thread goes on alone, and ``discard``
        is called with the result.
        """
        if self.stopping is None:
            return call()
        detached = _DetachedCall[_T](call, discard)
        with self.during(detached.abandon):
            threading.Thread(target=detached.run, name="request", daemon=True).start()
            return detached.result()

    def _begin(self, call: object, cut: Callable[[], object]) -> None:
        with self._mutex:
            if self._cutting:
                raise _stopped()
            self._cuts[call] = cut
            if not self._watched:
                self._watched = True
                threading.Thread(target=self._watch, name="cancellation", daemon=True).start()

    def _watch(self) -> None:
        """Runs only while there are calls, so that an idle client has no thread."""
        assert self.stopping is not None
        while not self.stopping.wait(_IDLE_POLL):
            if not self._still_needed():
                return
        time.sleep(self._grace)
        with self._mutex:
            self._cutting = True
        while self._still_needed():
            with self._mutex:
                cuts = list(self._cuts.values())
            for cut in cuts:
                with contextlib.suppress(Exception):  # the connection may be closing at the same moment
                    cut()
            time.sleep(_CUT_INTERVAL)

    def _still_needed(self) -> bool:
        with self._mutex:
            self._watched = bool(self._cuts)
            return self._watched


class _DetachedCall(Generic[_T]):
    """One call in a thread of its own, whose result the caller may stop waiting for."""

    def __init__(self, call: Callable[[], _T], discard: Callable[[_T], object]) -> None:
        self._call = call
        self._discard = discard
        self._mutex = threading.Lock()
        self._ready = threading.Event()
        self._abandoned = False
        self._result: _T | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:  # raised again in the thread that waits
            self._error = error
        with self._mutex:
            left = self._abandoned
            self._ready.set()
        if left and not self._error:
            self._discard(cast("_T", self._result))

    def abandon(self) -> None:
        with self._mutex:
            self._abandoned = self._abandoned or not self._ready.is_set()
            self._ready.set()

    def result(self) -> _T:
        self._ready.wait()
        if self._abandoned:
            raise _stopped()
        if self._error:
            raise self._error
        return cast("_T", self._result)


def _stopped() -> InterruptedRunError:
    return InterruptedRunError("stopped while waiting for a server; everything done so far is saved")


class Sockets:
    """The open sockets of one client."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._open = weakref.WeakSet[socket.socket]()

    def add(self, opened: socket.socket) -> None:
        with self._mutex:
            self._open.add(opened)

    def shut(self) -> None:
        """Shuts all of them down: every wait for them, and every later use, fails."""
        with self._mutex:
            for opened in list(self._open):
                shut(opened)


def shut(opened: socket.socket) -> None:
    """Ends every wait for a socket in other threads. Does nothing if it is closed already."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(opened, socket.SHUT_RDWR)  # not TLS's own shutdown, which is not thread-safe
