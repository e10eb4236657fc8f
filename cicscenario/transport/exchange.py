"""One exchange with a server: a request and its whole answer, which may take so long and be so large, and no more.

A time-out of a socket is for each wait, so a server that sends a byte now and then is never late for it. Here the time is
that of the whole exchange, and the size is that of all that comes in it: headers, and what no parser keeps, too.
"""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Generic, TypeVar, cast

_T = TypeVar("_T")
MEGABYTE = 1_000_000
SLACK = 1.0  #: seconds that a socket waits longer than the exchange, which says better what was waited for


class LateError(TimeoutError):
    """The answer was not whole when its time was over. ``sent``: whether something of the request may have been sent."""

    def __init__(self, awaited: str, seconds: float, *, sent: bool) -> None:
        super().__init__(f"no {awaited} within {seconds:g} seconds")
        self.sent = sent


class TooLargeError(OSError):
    """The answer is larger than the client takes."""

    def __init__(self, most: int) -> None:
        size = f"{most // MEGABYTE} MB" if most >= MEGABYTE else f"{most} bytes"
        super().__init__(f"its answer is larger than {size}, and no more is taken")


class Exchange:
    """A request and its answer. ``within`` is in seconds, ``most`` is in bytes; ``awaited`` is what a message calls it.

    ``longest`` is given for several requests, each of which ``renew`` begins: then ``within`` and ``most`` are for each of
    them, and ``longest`` is the time of all.

    When its time is over, or when it is to end for another reason, every socket that it uses is shut down, and every function
    given to ``cut_by`` is called. ``measure`` gives the bytes that have come, for a library that reads by itself.
    """

    def __init__(
        self,
        within: float,
        most: int,
        *,
        awaited: str = "whole answer",
        longest: float | None = None,
        measure: Callable[[], int] | None = None,
    ) -> None:
        self.failure: LateError | TooLargeError | None = None  #: why it was ended; None when it was not
        self.refused = False  #: whether the whole answer says that the server could not, or would not now
        self._within = within
        self._most = most
        self._awaited = awaited
        self._measure = measure
        self._before = measure() if measure else 0
        self._sent = False
        self._over = False
        self._mutex = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._cuts: list[Callable[[], object]] = []
        self._left = most
        self.until = time.monotonic() + within
        self._end = self.until if longest is None else time.monotonic() + longest

    def renew(self) -> None:
        """The next of several requests begins."""
        if time.monotonic() + self._within < self._end:
            self.until = time.monotonic() + self._within
            self._left = self._most

    def uses(self, opened: socket.socket, *, sends: bool = False) -> None:
        """A socket is used for it."""
        self._sent = self._sent or sends
        if opened not in self._sockets:
            with self._mutex:
                self._sockets.add(opened)
        if self._over:
            shut(opened)

    def received(self, number: int) -> None:
        """So many bytes have come. Raises TooLargeError when they are too many."""
        self._left -= number
        if self._left < 0:
            raise self._too_large()

    def cut_by(self, cut: Callable[[], object]) -> None:
        """``cut`` ends a wait that is not that for a socket. It may be called several times, by another thread."""
        with self._mutex:
            self._cuts.append(cut)

    def look(self) -> None:
        """Ends it when it is late or too large."""
        if self._measure and self._measure() - self._before > self._most:
            self._too_large()
        elif time.monotonic() >= self.until:
            self.failure = self.failure or LateError(self._awaited, self._within, sent=self._sent)
            self.cut()

    def cut(self) -> None:
        """Ends every wait in it, now and later."""
        self._over = True
        with self._mutex:
            sockets, cuts = list(self._sockets), list(self._cuts)
        for opened in sockets:
            shut(opened)
        for cut in cuts:
            with contextlib.suppress(Exception):  # the connection may be closing at the same moment
                cut()

    def _too_large(self) -> TooLargeError:
        error = TooLargeError(self._most)
        self.failure = self.failure or error
        self.cut()
        return error


#: The exchange that a thread is in.
_current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


class current:  # noqa: N801 -- of a ``with`` statement; each request enters one
    """In the block, what this thread does with metered sockets is part of ``exchange``."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._outer: Exchange | None = None

    def __enter__(self) -> None:
        self._outer = _current.get()
        _current.set(self._exchange)

    def __exit__(self, *_: object) -> None:
        _current.set(self._outer)


def is_under_way() -> bool:
    """Whether this thread is in an exchange."""
    return _current.get() is not None


def renew() -> None:
    """The next request of the current exchange begins."""
    if exchange := _current.get():
        exchange.renew()


def in_thread(call: Callable[[], _T], discard: Callable[[_T], object] = lambda _: None) -> _T:
    """The result of a call that cannot be ended from outside, such as the look-up of a host name.

    It runs in a thread of its own. When the current exchange is ended before it returns, that thread goes on alone, and
    ``discard`` is called with the result.
    """
    exchange = _current.get()
    if exchange is None:
        return call()
    detached = _DetachedCall[_T](call, discard, exchange)
    exchange.cut_by(detached.abandon)
    threading.Thread(target=detached.run, name="request", daemon=True).start()
    return detached.result()


class _DetachedCall(Generic[_T]):
    """One call in a thread of its own, whose result the caller may stop waiting for."""

    def __init__(self, call: Callable[[], _T], discard: Callable[[_T], object], exchange: Exchange) -> None:
        self._call = call
        self._discard = discard
        self._exchange = exchange
        self._mutex = threading.Lock()
        self._ready = threading.Event()
        self._abandoned = False
        self._result: _T | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            with current(self._exchange):
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
            raise TimeoutError("not waited for any longer")
        if self._error:
            raise self._error
        return cast("_T", self._result)


class _Metered:
    """A socket that tells the current exchange of its use, and of each byte that comes."""

    def recv(self, *arguments: Any) -> bytes:
        exchange = self._used()
        found: bytes = super().recv(*arguments)  # type: ignore[misc]
        if exchange and not (len(arguments) > 1 and arguments[1] & socket.MSG_PEEK):
            exchange.received(len(found))
        return found

    def recv_into(self, *arguments: Any) -> int:
        exchange = self._used()
        number: int = super().recv_into(*arguments)  # type: ignore[misc]
        if exchange:
            exchange.received(number)
        return number

    def send(self, *arguments: Any) -> int:
        self._used(sends=True)
        number: int = super().send(*arguments)  # type: ignore[misc]
        return number

    def sendall(self, *arguments: Any) -> None:
        self._used(sends=True)
        super().sendall(*arguments)  # type: ignore[misc]

    def _used(self, *, sends: bool = False) -> Exchange | None:
        if exchange := _current.get():
            exchange.uses(cast("socket.socket", self), sends=sends)
        return exchange


class MeteredSocket(_Metered, socket.socket):
    """A plain socket."""


class MeteredTls(_Metered, ssl.SSLSocket):
    """One of TLS. Its handshake is part of the exchange, too."""

    def do_handshake(self, *arguments: Any, **options: Any) -> None:
        self._used()
        super().do_handshake(*arguments, **options)


def metered(opened: socket.socket) -> socket.socket:
    """The same connection, as a socket that tells the current exchange of its use."""
    timeout = opened.gettimeout()
    made = MeteredSocket(opened.family, opened.type, opened.proto, opened.detach())
    made.settimeout(timeout)
    made._used()
    return made


def shut(opened: socket.socket) -> None:
    """Ends every wait for a socket in other threads. Does nothing if it is closed already."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(opened, socket.SHUT_RDWR)  # not TLS's own shutdown, which is not thread-safe
