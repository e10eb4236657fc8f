"""Servers on 127.0.0.1 that speak a protocol as far as they like: silent, a byte now and then, half an answer, or no end.

``manners`` gives what each does on one connection, by the protocol: ``http``, ``redis``, ``postgres``.
"""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

#: What a server does on one connection, until the event is set.
Serve = Callable[[socket.socket, threading.Event], None]

_PACE = 0.02  # seconds between the bytes of a server that drips
_FLOOD = 1 << 16  # bytes of an endless answer that are sent at a time

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_LONG = _HEAD + b"Content-Length: 1000000000000\r\n\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@contextmanager
def raw_server(serve: Serve) -> Iterator[int]:
    """Its port."""
    over = threading.Event()
    kept: list[socket.socket] = []

    def carry_on(connection: socket.socket) -> None:
        with suppress(OSError):
            serve(connection, over)

    def listen(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection = listening.accept()[0]
                kept.append(connection)
                threading.Thread(target=carry_on, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=listen, args=(listening,), daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for connection in kept:
                connection.close()


def never_answers(connection: socket.socket, over: threading.Event) -> None:
    """It takes what it is sent, and says nothing."""
    over.wait()


def half(start: bytes) -> Serve:
    """This much comes when something is asked, and no more."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(1)
        connection.sendall(start)
        over.wait()

    return serve


def drips(start: bytes, more: bytes = b"a") -> Serve:
    """A byte comes, and after a moment another one, without end."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(1)
        connection.sendall(start)
        while not over.is_set():
            for byte in more:
                over.wait(_PACE)
                connection.sendall(bytes([byte]))

    return serve


def endless(start: bytes, more: bytes = b"a") -> Serve:
    """Bytes come as fast as they are taken, without end."""
    flood = more * (_FLOOD // len(more))

    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(1)
        connection.sendall(start)
        while not over.is_set():
            connection.sendall(flood)

    return serve


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise OSError
        found += part
    return found


_SSL_REQUEST = 80877103
_STATUS = {
    "server_version": "15.0", "client_encoding": "UTF8", "DateStyle": "ISO, MDY", "integer_datetimes": "on",
    "standard_conforming_strings": "on",
}  # fmt: skip
_LET_IN = _message(b"R", struct.pack("!I", 0)) + b"".join(
    _message(b"S", f"{name}\0{value}\0".encode()) for name, value in _STATUS.items()
)
_READY = _message(b"Z", b"T")
#: One column of text, and the beginning of a row of it that has no end.
_COLUMN = _message(b"T", struct.pack("!H", 1) + b"name\0" + struct.pack("!IHIhih", 0, 0, 25, -1, -1, 0))
_ROW = _message(b"D", struct.pack("!HI", 1, 1000) + b"a" * 1000)
_GREAT_ROW = b"D" + struct.pack("!IHI", 1 << 30, 1, (1 << 30) - 10)


def _startup(connection: socket.socket) -> None:
    size, code = struct.unpack("!II", _exactly(connection, 8))
    if code == _SSL_REQUEST:
        connection.sendall(b"N")
        size, code = struct.unpack("!II", _exactly(connection, 8))
    _exactly(connection, size - 8)


def login(rude: Serve) -> Serve:
    """PostgreSQL is rude as soon as it knows who wants to log in."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        _startup(connection)
        connection.sendall(_LET_IN)
        with _Asked(connection) as asked:
            rude(asked, over)

    return serve


def at(word: bytes, rude: Serve) -> Serve:
    """PostgreSQL answers each statement with no row, until one has this word in it."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        _startup(connection)
        connection.sendall(_LET_IN + _message(b"K", struct.pack("!II", 1, 2)) + _READY)
        while True:
            _, size = struct.unpack("!cI", _exactly(connection, 5))
            if word in _exactly(connection, size - 4):
                with _Asked(connection) as asked:
                    rude(asked, over)
            connection.sendall(_message(b"C", b"SELECT 0\0") + _READY)

    return serve


class _Asked(socket.socket):
    """The connection, on which the request has been read already."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(fileno=socket.dup(connection.fileno()))

    def recv(self, size: int, flags: int = 0) -> bytes:
        return b"a" * size


#: Servers that let a client wait, by protocol and manner.
LATE: dict[str, dict[str, Serve]] = {
    "http": {
        "silent": never_answers,
        "half a head": half(b"HTTP/1.1 20"),
        "half a body": half(_LONG + b"{"),
        "drips a head": drips(_HEAD + b"X: "),
        "drips a body": drips(_LONG),
        "drips chunks": drips(_CHUNKED, b"1\r\na\r\n"),
        "drips a long number of a chunk": drips(_CHUNKED, b"0"),
        "never ends to go on": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    },
    "redis": {
        "silent": never_answers,
        "half": half(b"$1000\r\nab"),
        "drips a line": drips(b"+"),
        "drips a text": drips(b"$1000000\r\n"),
        "drips a list": drips(b"*1000000\r\n", b":1\r\n"),
    },
    "postgres": {
        "silent": never_answers,
        "silent at the login": login(never_answers),
        "drips a login": login(drips(b"", _message(b"S", b"a\0b\0"))),
        "silent at a statement": at(b"FROM account", never_answers),
        "half a row": at(b"FROM account", half(_COLUMN + _GREAT_ROW)),
        "drips a row": at(b"FROM account", drips(_COLUMN + _GREAT_ROW)),
        "drips rows": at(b"FROM account", drips(_COLUMN, _ROW)),
        "silent at the commit": at(b"COMMIT", never_answers),
    },
}
#: Servers whose answers have no end.
ENDLESS: dict[str, dict[str, Serve]] = {
    "http": {
        "head": endless(_HEAD, b"X: a\r\n"),
        "line of the head": endless(_HEAD + b"X: "),
        "body": endless(_LONG),
        "body without a length": endless(_HEAD + b"\r\n"),
        "chunks": endless(_CHUNKED, b"3e8\r\n" + b"a" * 1000 + b"\r\n"),
        "great chunk": endless(_CHUNKED + b"ffffffffffff\r\n"),
        "number of a chunk": endless(_CHUNKED, b"0"),
        "trailer": endless(_CHUNKED + b"0\r\n", b"X: a\r\n"),
        "going on": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    },
    "redis": {
        "line": endless(b"+"),
        "text": endless(b"$10000000000\r\n"),
        "list": endless(b"*2000000000\r\n", b":1\r\n"),
        "depth": endless(b"", b"*1\r\n"),
    },
    "postgres": {
        "row": at(b"FROM account", endless(_COLUMN + _GREAT_ROW)),
        "rows": at(b"FROM account", endless(_COLUMN, _ROW)),
    },
}
