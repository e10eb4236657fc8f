"""A proxy on 127.0.0.1 in front of any server, which hangs, cuts, garbles and repeats what the server says."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Self

#: What happens on one connection: it gets the client's and the server's end, and returns when the connection is to end.
Manner = Callable[["RudeWire", socket.socket, socket.socket], None]

_QUIET = 0.02  # seconds without a further byte after which a request is taken for whole


def polite(wire: "RudeWire", client: socket.socket, server: socket.socket) -> None:
    """Passes everything on."""
    forth = threading.Thread(target=_pass_on, args=(client, server), daemon=True)
    forth.start()
    _pass_on(server, client)
    forth.join(5)


def resets(wire: "RudeWire", client: socket.socket, server: socket.socket) -> None:
    """The connection is reset when the request is there."""
    _request(client)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def closes(wire: "RudeWire", client: socket.socket, server: socket.socket) -> None:
    """The connection is closed without an answer."""
    _request(client)


def hangs(wire: "RudeWire", client: socket.socket, server: socket.socket) -> None:
    """No answer comes, and the connection stays open."""
    wire.polite_again.wait(60)


def instead(answer: bytes) -> Manner:
    """This comes instead of the server's answer; then the connection is closed."""

    def manner(wire: "RudeWire", client: socket.socket, server: socket.socket) -> None:
        if _request(client):
            client.sendall(answer)

    return manner


def truncated(wire: "RudeWire", client: socket.socket, server: socket.socket) -> None:
    """All but the last three bytes of the first answer come."""
    server.sendall(_request(client))
    client.sendall(_request(server)[:-3])


def twice(wire: "RudeWire", client: socket.socket, server: socket.socket) -> None:
    """Every answer comes two times, one directly after the other."""
    while asked := _request(client):
        server.sendall(asked)
        client.sendall(_request(server) * 2)


def slow(wire: "RudeWire", client: socket.socket, server: socket.socket) -> None:
    """The bytes of an answer come in five parts with pauses between them."""
    while asked := _request(client):
        server.sendall(asked)
        answer = _request(server)
        size = max(1, len(answer) // 5)
        for start in range(0, len(answer), size):
            client.sendall(answer[start : start + size])
            time.sleep(0.01)


def http(status: str, body: bytes = b"<html>sorry</html>", *headers: str) -> Manner:
    """An answer of HTTP, by its status line, such as ``502 Bad Gateway``."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return instead("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


#: What can befall a connection of any protocol.
ANY_PROTOCOL: dict[str, Manner] = {
    "reset": resets,
    "closed": closes,
    "hangs": hangs,
    "truncated": truncated,
    "twice": twice,
    "slow": slow,
    "binary": instead(b"\x00\xff\xfe\x80" * 50),
}
#: Answers that are not HTTP, or not of the server that was asked.
BAD_HTTP: dict[str, Manner] = {
    "no status": instead(b"HTTP/1.1 \r\n\r\n"),
    "too short": instead(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{}"),
    "endless line": instead(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000),
    "not UTF-8": http("200 OK", b"\xff\xfe\xe9"),
    "redirect": http("302 Found", b"", "Location: http://127.0.0.1:9/elsewhere"),
}


class RudeWire:
    """Entered, it listens at ``port`` and passes on to ``target``, a port of 127.0.0.1, in its ``manner``."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._mutex = threading.Lock()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.port: int = self._listening.getsockname()[1]
        self.manner: Manner = polite
        self.polite_again = threading.Event()

    def behave(self, manner: Manner) -> None:
        """From now on; connections that are open are closed."""
        self.manner = manner
        if manner is polite:
            self.polite_again.set()
        else:
            self.polite_again.clear()
        with self._mutex:
            left, self._open = self._open, []
        for connection in left:
            _shut(connection)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)
        self.behave(polite)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listening.accept()[0]
                threading.Thread(target=self._carry_on, args=(client, self.manner), daemon=True).start()

    def _carry_on(self, client: socket.socket, manner: Manner) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server, contextlib.suppress(OSError):
            with self._mutex:
                self._open += [client, server]
            manner(self, client, server)


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            sink.sendall(part)
    _shut(sink)
    _shut(source)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _request(source: socket.socket) -> bytes:
    """What comes until nothing more comes for a moment; empty at the end of the connection."""
    whole = source.recv(65536)
    source.settimeout(_QUIET)
    try:
        while part := source.recv(65536):
            whole += part
    except TimeoutError:
        pass
    finally:
        source.settimeout(None)
    return whole
