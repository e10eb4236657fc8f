"""A server on 127.0.0.1 that gives answers byte for byte, in the order of a script."""

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from urllib.parse import parse_qsl


def screen(body: str, reason: str = "OK,") -> bytes:
    """A screen on the wire, as the real server puts it."""
    return answer(200, reason, body)


def answer(status: int, reason: str, body: str = "") -> bytes:
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain\r\nContent-Length: {len(body.encode())}\r\n\r\n"
    return (head + body).encode()


CLOSED = b""  #: the connection ends without an answer
SILENT = None  #: no answer, and no end
FAILED = answer(500, "Internal Server Error")


@dataclass
class ScriptedServer:
    """Gives recorded answers in order, one to each request, and keeps the requests."""

    answers: list[bytes | None]
    lingers: bool = False  #: connections stay open after an answer, but nothing more is read from them
    heads: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(4096)
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
        )
        while len(body) < length:
            body += connection.recv(4096)
        self.heads.append(head.decode())
        self.bodies.append(body.decode())
        reply = self.answers.pop(0)
        if reply is None:
            self._open.append(connection)
            return
        connection.sendall(reply)
        if self.lingers:
            self._open.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closed already
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)
        for connection in self._open:
            connection.close()

    def forms(self) -> list[dict[str, str]]:
        return [dict(parse_qsl(body, keep_blank_values=True)) for body in self.bodies]

    def texts(self) -> list[str]:
        return [form["text"] for form in self.forms()]
