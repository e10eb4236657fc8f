"""A server that says the same to whatever it is asked, over HTTP, Redis's protocol or PostgreSQL's."""

import json
import socketserver
import threading
from collections.abc import Callable
from typing import Any, Self

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")  # PostgreSQL: libpq asks for TLS first


def http_reply(reason: str, body: bytes = b"", status: int = 500, **headers: str) -> bytes:
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n"
    return head.encode("utf-8", "replace") + body


def rpc_error(text: str) -> bytes:
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": text}}
    return http_reply("OK", json.dumps(error).encode(), 200, Content_Type="application/json")


def redis_error(text: str) -> bytes:
    return b"-ERR " + text.encode() + b"\r\n"


def postgres_error(text: str) -> bytes:
    """An ErrorResponse. Source: PostgreSQL's documentation, "Message Formats"."""
    fields = b"SFATAL\0VFATAL\0C28000\0M" + text.encode() + b"\0\0"
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


class SayingServer:
    """Entered, it listens at ``port`` of 127.0.0.1 and answers every request with ``answer``, or what that makes of it.

    ``asked`` is what came.
    """

    def __init__(self, answer: bytes | Callable[[bytes], bytes]) -> None:
        self.answer = answer
        self.asked: list[bytes] = []
        said = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                while data := self.request.recv(65536):
                    said.asked.append(data)
                    if data == _SSL_REQUEST:
                        self.request.sendall(b"N")
                        continue
                    commands = 1 if not data.startswith(b"*") else 1 + data.count(b"\r\n*")
                    self.request.sendall(
                        (said.answer if isinstance(said.answer, bytes) else said.answer(data)) * commands
                    )
                    if not data.startswith(b"*"):
                        return

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        port: int = self._server.server_address[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is none of ours."""
