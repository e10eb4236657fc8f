"""HTTP to the byte: a request goes out as given, and what comes back is kept as it was on the wire."""

import socket
from dataclasses import dataclass, field

TIMEOUT = 20.0  # seconds


@dataclass(frozen=True)
class WireAnswer:
    """``body`` is all that came, chunking removed; header names are in lower case."""

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes
    header_names: list[str] = field(default_factory=list)

    @property
    def cut(self) -> bytes:
        """What a client sees that believes Content-Length."""
        return self.body[: int(self.headers["content-length"])]


def request_bytes(method: str, path: str, headers: dict[str, str], body: bytes, *, close: bool = True) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += ["Connection: close"] if close else []
    if body or method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def talk(port: int, sent: bytes) -> bytes:
    """Everything that comes until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
        connection.sendall(sent)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def ask(
    port: int, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> WireAnswer | None:
    """The answer; None when the connection was closed without one."""
    received = talk(port, request_bytes(method, path, headers or {}, body))
    return parse(received) if received else None


def parse(received: bytes) -> WireAnswer:
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    _, code, reason = status.split(" ", 2)
    pairs = [line.split(": ", 1) for line in lines]
    headers = {name.lower(): value for name, value in pairs}
    if headers.get("transfer-encoding") == "chunked":
        body = _dechunked(body)
    return WireAnswer(int(code), reason, headers, body, [name for name, _ in pairs])


def _dechunked(body: bytes) -> bytes:
    content = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            assert body == b"\r\n"
            return content
        content, body = content + body[:length], body[length + 2 :]
