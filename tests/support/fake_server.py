"""An HTTP server in this process, as far as clients of a service need one."""

import threading
import time
from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class FakeServer(ABC):
    """Entered, it answers at ``url``, each request in a thread of its own."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.fake = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @abstractmethod
    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str] | None:
        """Status and text; None drops the connection. Names of headers are as they were sent."""

    def headers(self, status: int) -> dict[str, str]:
        """Headers of an answer, beside its Content-Length."""
        return {}

    def announced_length(self, body: bytes) -> int:
        """The answer's Content-Length; what is longer is sent a moment later."""
        return len(body)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    fake: FakeServer
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is none of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def __getattr__(self, name: str) -> Any:
        if name in ("do_GET", "do_POST", "do_PUT"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        fake = self.server.fake
        asked = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = fake.answer(self.command, self.path, dict(self.headers), asked)
        if answer is None:
            self.close_connection = True
            return
        status, text = answer
        body = text.encode()
        announced = fake.announced_length(body)
        self.send_response(status)
        for name, value in fake.headers(status).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(announced))
        self.end_headers()
        self.wfile.write(body[:announced])
        self.wfile.flush()
        if announced < len(body):
            time.sleep(0.02)  # in a packet of its own
            self.wfile.write(body[announced:])
            self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        pass
