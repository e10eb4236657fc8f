"""A metadata server for tests, as small as can be, that goes wrong in the ways of the real one on demand."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pysequoia import Cert, Sig, verify

KEYS = Path(__file__).parent / "keys"
WRITER = (KEYS / "writer.asc").read_text("ascii")
PASSPHRASE = "sesame"
PAUSE = 0.4  #: seconds that the server asks for with 429 and 503
NO_HEADERS: Mapping[str, str] = {}


def value_of(document: str) -> tuple[str, Any]:
    """The actor and the value of a one-step document: what its operations build, read back independently."""
    first = _untransit(json.loads(json.loads(document)["payload"]))[0]
    objects: dict[str, Any] = {"00000000-0000-0000-0000-000000000000": {}}
    for operation in first["ops"]:
        action, target = operation["action"], operation["obj"]
        if action == "makeMap":
            objects[target] = {}
        elif action == "makeList":
            objects[target] = []
        elif action == "ins":
            assert operation["elem"] == len(objects[target]) + 1
            objects[target].append(None)
        else:
            value = objects[operation["value"]] if action == "link" else operation["value"]
            holder = objects[target]
            holder[int(operation["key"].rpartition(":")[2]) - 1 if isinstance(holder, list) else operation["key"]] = (
                value
            )
    return first["actor"], objects["00000000-0000-0000-0000-000000000000"]["data"]


def signature_of(document: str) -> tuple[str, str]:
    """The armored signature in a one-step document, and the text that it is over."""
    second = _untransit(json.loads(json.loads(document)["payload"]))[1]
    fields = {o["key"]: o["value"] for o in second["ops"] if o["action"] == "set"}
    return fields["data"], fields["digest"]


def _untransit(value: Any) -> Any:
    if isinstance(value, list):
        tag, items = value
        if tag == "~#iL":
            return [_untransit(item) for item in items]
        assert tag == "~#iM"
        plain = [_untransit(item) for item in items]
        return dict(zip(plain[::2], plain[1::2], strict=True))
    if isinstance(value, str) and value.startswith(("~", "^", "`")):
        assert value.startswith("~")
        return value[1:]
    return value


def valid(armor: str, text: str, public: str | None = None) -> bool:
    """Whether a detached signature over the text is by the writer."""
    certificate = Cert.from_bytes((public or (KEYS / "writer.pub.asc").read_text("ascii")).encode())
    try:
        verify(bytes=text.encode(), store=lambda _: [certificate], signature=Sig.from_bytes(armor.encode()))
    except RuntimeError:
        return False
    return True


class StubMeta:
    """``fault`` names what goes wrong with a request; it gets the method and the number of such requests so far."""

    def __init__(self) -> None:
        self.values: dict[str, tuple[str, Any]] = {}  #: actor and value by pointer
        self.fault: Callable[[str, int], str | None] = lambda method, number: None
        self.requests: list[tuple[str, str, str | None, bytes]] = []  #: method, path, header, body
        self.times: list[tuple[str, float]] = []  #: method and moment
        self.together = 0  #: most PUTs that were under way at a time
        self._putting = 0
        self._lock = threading.Lock()
        self.ended = threading.Event()
        self.url = ""

    def begin(self, method: str, path: str, header: str | None, body: bytes) -> str | None:
        with self._lock:
            self.requests.append((method, path, header, body))
            self.times.append((method, time.monotonic()))
            if method == "PUT":
                self._putting += 1
                self.together = max(self.together, self._putting)
            return self.fault(method, sum(1 for request in self.requests if request[0] == method))

    def end(self, method: str) -> None:
        with self._lock:
            self._putting -= method == "PUT"

    def bodies(self, method: str) -> list[bytes]:
        return [body for sent, _, _, body in self.requests if sent == method]

    def store(self, pointer: str, header: str | None, body: bytes) -> None:
        if header == "client":
            actor, value = value_of(body.decode())
        else:
            actor, value = "", json.loads(json.loads(json.loads(body)["m"])["payload"])
            present = self.values.get(pointer, ("", None))
            if isinstance(present[1], dict) and isinstance(value, dict):
                actor, value = present[0], present[1] | value
        with self._lock:
            if actor >= self.values.get(pointer, ("", None))[0]:
                self.values[pointer] = (actor, value)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: "_Server"

    def _serve(self) -> None:
        stub = self.server.stub
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        header = self.headers.get("X-CIC-AUTOMERGE")
        fault = stub.begin(self.command, self.path, header, body)
        try:
            self._carry_out(stub, fault, header, body)
        except OSError:
            self.close_connection = True

    def _carry_out(self, stub: StubMeta, fault: str | None, header: str | None, body: bytes) -> None:
        pointer = self.path[1:]
        if fault == "slow":
            time.sleep(0.01)
        if fault == "hang":
            stub.ended.wait(30)
        if fault in ("hang", "drop"):
            stub.end(self.command)
            self.close_connection = True
        elif fault in ("500", "403", "404"):
            self._answer(int(fault), b"")
        elif fault in ("429", "503"):
            self._answer(int(fault), b"", {"Retry-After": str(PAUSE)})
        elif fault == "store and drop":
            stub.store(pointer, header, body)
            stub.end(self.command)
            self.close_connection = True
        elif fault == "not JSON":
            self._answer(200, b"<html>")
        else:
            self._store_or_show(stub, fault, header, body)

    def _store_or_show(self, stub: StubMeta, fault: str | None, header: str | None, body: bytes) -> None:
        pointer = self.path[1:]
        if self.command == "PUT":
            self._answer(200, b"")
            if fault == "late":
                threading.Timer(0.05, stub.store, (pointer, header, body)).start()
            elif fault != "lose":
                stub.store(pointer, header, body)
        elif self.command == "POST":
            document = {"name": "cic", "payload": json.dumps(json.loads(body), ensure_ascii=False), "digest": "W10="}
            self._answer(200, json.dumps(document, ensure_ascii=False).encode())
        elif pointer in stub.values:
            self._answer(200, json.dumps(stub.values[pointer][1], ensure_ascii=False).encode())
        else:
            self._answer(404, b"")

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> None:
        """As the real server does: the length is that of UTF-16 text."""
        self.server.stub.end(self.command)  # before the client can know
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        announced = len(body.decode().encode("utf-16-le")) // 2
        self.send_header("Content-Length", str(announced))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:announced])
        self.wfile.flush()
        if announced < len(body):
            time.sleep(0.02)  # in a packet of its own
            self.wfile.write(body[announced:])
            self.wfile.flush()

    do_GET = do_PUT = do_POST = _serve  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    stub: StubMeta

    def handle_error(self, *_: Any) -> None:
        pass


@contextmanager
def running_stub() -> Iterator[StubMeta]:
    """A server on a free port."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.stub = stub = StubMeta()
        stub.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield stub
        finally:
            stub.ended.set()
            server.shutdown()
            thread.join(5)
