"""A metadata server that keeps what is written to it in two steps with a valid signature, and counts the requests."""

import base64
import functools
import json
import tempfile
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pysequoia import Tsk, verify

from cicscenario.sandbox.ussd.metaclient import Signer


@functools.cache
def key() -> Tsk:
    return Tsk.generate("Writer <writer@example.org>")


@functools.cache
def signer() -> Signer:
    with tempfile.NamedTemporaryFile(suffix=".asc") as file:
        Path(file.name).write_bytes(bytes(key()))
        return Signer(Path(file.name), "")


@dataclass
class Behaviour:
    """What goes wrong: numbers of requests of a kind that are still to be refused, or dropped when under way."""

    refuse: dict[str, int] = field(default_factory=dict)
    drop: dict[str, int] = field(default_factory=dict)
    drop_after: dict[str, int] = field(default_factory=dict)  #: done, and then dropped


class FakeMeta:
    """``values`` by pointer; ``writes`` in order; ``parallel_puts`` is the most that were seen at once."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.writes: list[tuple[str, Any, dict[str, str]]] = []
        self.behaviour = Behaviour()
        self.parallel_puts = 0
        self.posts: list[str] = []
        self._puts = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.meta = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def clear(self) -> None:
        self.values, self.writes, self.behaviour, self.parallel_puts, self.posts = {}, [], Behaviour(), 0, []

    def get(self, pointer: str) -> tuple[int, str]:
        return (200, json.dumps(self.values[pointer])) if pointer in self.values else (404, "")

    def post(self, pointer: str, body: bytes) -> tuple[int, str]:
        """The real server ends when a text is written onto a text: here that is refused, and seen."""
        self.posts.append(pointer)
        if isinstance(self.values.get(pointer), str):
            return 500, ""
        digest = base64.b64encode(body).decode()
        return 200, json.dumps({"name": "cic", "payload": json.loads(body), "digest": digest})

    def put(self, pointer: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        with self._lock:
            self._puts += 1
            self.parallel_puts = max(self.parallel_puts, self._puts)
        try:
            document = json.loads(body)
            signature = document["s"]
            envelope = json.loads(document["m"])
            checked = verify(signature["data"].encode(), lambda _: [key().extract_certificate()])
            if bytes(checked.bytes).decode() != envelope["digest"] or signature["digest"] != envelope["digest"]:
                return 403, ""
            self.values[pointer] = envelope["payload"]
            self.writes.append((pointer, envelope["payload"], headers))
            return 200, ""
        finally:
            with self._lock:
                self._puts -= 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    meta: FakeMeta
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is none of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def _answer(self) -> None:
        meta = self.server.meta
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if _counted(meta.behaviour.drop, self.command):
            self.close_connection = True
            return
        pointer = self.path[1:]
        if _counted(meta.behaviour.refuse, self.command):
            status, text = 500, ""
        elif self.command == "GET":
            status, text = meta.get(pointer)
        elif self.command == "POST":
            status, text = meta.post(pointer, body)
        else:
            status, text = meta.put(pointer, body, dict(self.headers))
        if _counted(meta.behaviour.drop_after, self.command):
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def __getattr__(self, name: str) -> Any:
        if name in ("do_GET", "do_POST", "do_PUT"):
            return self._answer
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _counted(left: dict[str, int], method: str) -> bool:
    if left.get(method, 0) <= 0:
        return False
    left[method] -= 1
    return True
