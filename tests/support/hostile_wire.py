"""A proxy on 127.0.0.1 in front of a service, of which a fault takes hold after some exchanges and lets go again.

An exchange is a request of a client with the service's reply, on any of its connections. The proxy knows where messages of
HTTP end; of other protocols it takes a message for whole when nothing more comes for a moment.
"""

import contextlib
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

_QUIET = 0.05  # seconds without a further byte after which a message that is not HTTP is taken for whole
_REPLY = 30.0  # seconds for the service's reply
_DRIP = 0.25  # seconds between two bytes of a reply that drips
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_HTTP = re.compile(rb"(?:POST|GET|PUT|HEAD|OPTIONS|HTTP/1\.[01]) ?")


class _Over(Exception):  # noqa: N818 -- not an error
    """The connection ends here."""


@dataclass(frozen=True)
class Hold:
    """When a fault holds: from exchange ``begin`` on (the first is 0), for ``exchanges`` of them, or for ``seconds``.

    With neither, it holds until ``HostileWire.mend``.
    """

    begin: int
    exchanges: int | None = None
    seconds: float | None = None


class HostileWire:
    """Entered, it listens at ``port`` and passes on to ``target``, a port of 127.0.0.1."""

    def __init__(self, target: int, empty: int | None = None) -> None:
        """``empty`` is the port of another service of the kind, in which there is nothing."""
        self.target = target
        self.empty = empty
        self.exchanges = 0  #: since ``arm`` or ``mend``
        self.struck = 0  #: exchanges that the fault has taken hold of
        self.port = 0
        self._fault: Fault = passes
        self._hold: Hold | None = None
        self._since: float | None = None
        self._mutex = threading.RLock()
        self.ended = threading.Event()  #: the fault that holds now is over
        self._open: set[socket.socket] = set()
        self._closing = False

    # --- the fault ----------------------------------------------------------------------------------------------

    def arm(self, fault: "Fault", hold: Hold) -> None:
        """The fault takes hold once. Exchanges are counted from now on."""
        assert hold.exchanges is None or fault not in LASTING
        self.mend()
        with self._mutex:
            self._fault, self._hold, self.ended = fault, hold, threading.Event()

    def mend(self) -> None:
        """The fault lets go, and none comes again. What hangs already goes on hanging."""
        with self._mutex:
            held, self._hold, self._since = self._since is not None, None, None
            fault, self._fault = self._fault, passes
            self.ended.set()
            self.exchanges = self.struck = 0
        if held:
            self._let_go(fault)

    def wait_out(self, seconds: float) -> None:
        """Waits for the end of a fault that holds for a time and has begun. One that counts exchanges waits for the next."""
        with self._mutex:
            timed = self._hold is not None and self._hold.seconds is not None and self._since is not None
        if timed:
            self.ended.wait(seconds)

    def _strikes(self) -> "Fault":
        """Counts an exchange; what befalls it."""
        with self._mutex:
            number, hold = self.exchanges, self._hold
            self.exchanges += 1
            if hold is None or number < hold.begin:
                return passes
            if self._since is None:
                self._since = time.monotonic()
                if hold.seconds is not None:
                    self._end_after(hold.seconds)
            if hold.exchanges is not None and self.struck >= hold.exchanges:
                return passes
            self.struck += 1
            if self.struck == hold.exchanges:
                self._since, self._hold = None, None
            return self._fault

    def _end_after(self, seconds: float) -> None:
        ended = self.ended

        def end() -> None:
            if ended.wait(seconds):
                return
            with self._mutex:
                if self.ended is not ended:
                    return
                self._hold, self._since = None, None
                fault, self._fault = self._fault, passes
                ended.set()
            self._let_go(fault)

        threading.Thread(target=end, daemon=True).start()

    def _let_go(self, fault: "Fault") -> None:
        if fault is refuses:
            self._listen()
        if fault is emptied:
            self.cut()

    # --- the connections ----------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._listening.close()
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self.mend()
        self.deafen()

    def _listen(self) -> None:
        """Bound to its own port, which stays its own while nobody listens at it."""
        self._listening = socket.socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.bind(("127.0.0.1", self.port))
        self._listening.listen(128)
        threading.Thread(target=self._serve, args=(self._listening,), daemon=True).start()

    def deafen(self) -> None:
        """Nobody listens any more, and every connection is reset."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()

    def cut(self) -> None:
        """Every connection ends."""
        with self._mutex:
            left, self._open = self._open, set()
        for connection in left:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _serve(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = listening.accept()[0]
                threading.Thread(target=self._carry_on, args=(client,), daemon=True).start()

    def _carry_on(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._mutex:
            target = self.empty if self.empty and self._since is not None and self._fault is emptied else self.target
        try:
            server = socket.create_connection(("127.0.0.1", target))
        except OSError:
            _reset(client)
            return
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(self, client, server)
        with self._mutex:
            self._open |= {client, server}
        try:
            with contextlib.suppress(OSError, ValueError, _Over):
                self._pass_on(link)
        finally:
            with self._mutex:
                self._open -= {client, server}
            client.close()
            server.close()

    def _pass_on(self, link: "Link") -> None:
        asking = False  # whether the last bytes came from the client
        while not self._closing:
            ready, _, _ = select.select([link.client, link.server], [], [])
            if link.server in ready:
                if not (part := link.server.recv(65536)):
                    return
                link.client.sendall(part)
                asking = False
            elif not asking:
                first = link.client.recv(65536)
                if not first:
                    return
                asking = not self._strikes()(link, first)
            else:
                if not (part := link.client.recv(65536)):
                    return
                link.server.sendall(part)


@dataclass(frozen=True)
class Link:
    """One connection through the proxy."""

    wire: HostileWire
    client: socket.socket
    server: socket.socket

    def request(self, first: bytes) -> bytes:
        """The whole request that begins with these bytes."""
        return _whole(self.client, first)

    def reply(self) -> bytes:
        """The whole reply of the service."""
        ready, _, _ = select.select([self.server, self.client], [], [], _REPLY)
        if self.server not in ready:
            raise _Over
        first = self.server.recv(65536)
        return _whole(self.server, first)


#: What befalls one exchange: the first bytes of its request are given, and are not passed on yet. Says whether the client
#: has its reply; otherwise the service's reply is passed on.
Fault = Callable[[Link, bytes], bool]


def passes(link: Link, first: bytes) -> bool:
    link.server.sendall(first)
    return False


def refuses(link: Link, first: bytes) -> bool:
    """The service is down: connections are refused, and those that were open are reset."""
    link.wire.deafen()
    _reset(link.client)
    raise _Over


def swallows(link: Link, first: bytes) -> bool:
    """The request is swallowed: no answer comes, and the connection stays open until the client closes it."""
    link.client.settimeout(120)
    while link.client.recv(65536):
        pass
    raise _Over


def resets_in_reply(link: Link, first: bytes) -> bool:
    """The request takes effect; its connection is reset after half of the reply."""
    link.server.sendall(link.request(first))
    reply = link.reply()
    link.client.sendall(reply[: len(reply) // 2])
    time.sleep(0.02)  # a reset throws away what the client has not read yet
    _reset(link.client)
    raise _Over


def trickles(link: Link, first: bytes) -> bool:
    """The reply comes byte for byte, each a moment after the other, for as long as the client stays and the fault holds."""
    link.server.sendall(link.request(first))
    reply = link.reply()
    ended = link.wire.ended
    for place in range(len(reply)):
        link.client.sendall(reply[place : place + 1])
        if ended.wait(_DRIP):
            link.client.sendall(reply[place + 1 :])
            break
    return True


def garbage(link: Link, first: bytes) -> bool:
    """Bytes that are none of the protocol come in place of the reply; the service never gets the request."""
    link.request(first)
    link.client.sendall(b"\x00\xff\xfe\x80" * 50)
    raise _Over


def other_words(link: Link, first: bytes) -> bool:
    """The answer of another server comes, such as that of a proxy; the service never gets the request."""
    link.request(first)
    body = b"<html><h1>Bad Gateway</h1></html>"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    link.client.sendall(head + body)
    raise _Over


def replies_twice(link: Link, first: bytes) -> bool:
    """The reply comes two times, one directly after the other."""
    link.server.sendall(link.request(first))
    link.client.sendall(link.reply() * 2)
    return True


def asks_twice(link: Link, first: bytes) -> bool:
    """The service gets the request two times, and the client gets the second answer."""
    request = link.request(first)
    if not _HTTP.match(request):  # two answers on the client's connection would be those of two requests
        link.server.sendall(request)
        link.reply()
        link.server.sendall(request)
        return False
    with socket.create_connection(("127.0.0.1", link.wire.target)) as other:
        other.sendall(request)
        Link(link.wire, link.client, other).reply()
    link.server.sendall(request)
    return False


def drops_answer(link: Link, first: bytes) -> bool:
    """The request takes effect, and the connection is closed without an answer."""
    link.server.sendall(link.request(first))
    link.reply()
    raise _Over


def emptied(link: Link, first: bytes) -> bool:
    """An empty service answers at the address. Every connection ends when this begins, and when it is over."""
    if link.server.getpeername()[1] == link.wire.empty:
        return passes(link, first)
    link.wire.cut()
    raise _Over


def pauses(link: Link, first: bytes) -> bool:
    """Nothing moves until the fault is over; then all goes on as if nothing had been."""
    link.wire.ended.wait()
    return passes(link, first)


#: These hold for a time, not for a number of exchanges: they concern every connection.
LASTING = (refuses, emptied, pauses)


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _whole(source: socket.socket, first: bytes) -> bytes:
    whole = first
    if _HTTP.match(first):
        while not _is_whole(whole):
            if not (part := source.recv(65536)):
                return whole
            whole += part
        return whole
    while select.select([source], [], [], _QUIET)[0]:
        if not (part := source.recv(65536)):
            return whole
        whole += part
    return whole


def _is_whole(message: bytes) -> bool:
    """Of HTTP. A reply without a length is whole when its connection ends."""
    head, end, body = message.partition(b"\r\n\r\n")
    if not end:
        return False
    if length := _LENGTH.search(head):
        return len(body) >= int(length[1])
    return not message.startswith(b"HTTP/")
