"""A proxy on 127.0.0.1 in front of a node, which can be rude: it refuses, drops, delays and answers nonsense."""

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import requests

#: What a rude proxy makes of a request: (status, body, headers), or an action on the connection, or None to pass it on.
Rudeness = Callable[["Handler", bytes], bool]


def status(code: int, text: str = "<html>sorry</html>", **headers: str) -> Rudeness:
    def answer(handler: "Handler", body: bytes) -> bool:
        handler.reply(code, text.encode(), {name.replace("_", "-"): value for name, value in headers.items()})
        return True

    return answer


def reset(handler: "Handler", body: bytes) -> bool:
    """The connection is reset before an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    return True


def lose_answer(handler: "Handler", body: bytes) -> bool:
    """The node carries the request out; its answer is lost."""
    handler.server.forward(body)
    handler.close_connection = True
    return True


def hang(handler: "Handler", body: bytes) -> bool:
    """No answer comes, and the connection stays open."""
    handler.server.released.wait(60)
    handler.close_connection = True
    return True


def refuse(function: bytes, error: dict[str, Any]) -> Rudeness:
    """The node answers calls of one function, known by its selector, with a JSON-RPC error, and passes the others on."""
    return replace(lambda call: _calls(call, function), {"error": error})


def answer_with(function: bytes, result: Any) -> Rudeness:
    """The same with a result."""
    return replace(lambda call: _calls(call, function), {"result": result})


def replace(is_meant: Callable[[dict[str, Any]], bool], answer: dict[str, Any]) -> Rudeness:
    """The calls that are meant get this answer instead of the node's; the others of the batch get the node's."""

    def rude(handler: "Handler", body: bytes) -> bool:
        meant = {call["id"] for call in calls_in(body) if is_meant(call)}
        return _change(
            handler,
            body,
            lambda reply: {"jsonrpc": "2.0", "id": reply["id"]} | answer if reply["id"] in meant else reply,
        )

    return rude


def calls_in(body: bytes) -> list[dict[str, Any]]:
    """The calls of a request: a list of them, or a single one."""
    asked = json.loads(body)
    return asked if isinstance(asked, list) else [asked]


def _change(handler: "Handler", body: bytes, change: Callable[[dict[str, Any]], Any]) -> bool:
    replies = handler.server.forward(body).json()
    changed = [change(reply) for reply in replies] if isinstance(replies, list) else change(replies)
    handler.reply(200, json.dumps(changed).encode(), {})
    return True


def each_reply(change: Callable[[dict[str, Any]], Any]) -> Rudeness:
    """Every reply of the node is changed."""
    return lambda handler, body: _change(handler, body, change)


def rearranged(change: Callable[[list[Any]], Any]) -> Rudeness:
    """The node's list of replies is changed; a single reply is not."""

    def rude(handler: "Handler", body: bytes) -> bool:
        replies = handler.server.forward(body).json()
        handler.reply(200, json.dumps(change(replies) if isinstance(replies, list) else replies).encode(), {})
        return True

    return rude


def beyond(most: int, rude: Rudeness) -> Rudeness:
    """Rude to requests that are lists of more than ``most`` calls; with 0, to every list."""

    def limited(handler: "Handler", body: bytes) -> bool:
        asked = json.loads(body)
        return isinstance(asked, list) and len(asked) > most and rude(handler, body)

    return limited


def refuse_all(message: str, code: int = -32600, *, form: str = "list", http: int = 200) -> Rudeness:
    """One error for a whole request, in a list with the first call's id as of geth, or alone, or in each call's reply."""

    def rude(handler: "Handler", body: bytes) -> bool:
        calls, error = calls_in(body), {"code": code, "message": message}
        forms: dict[str, Any] = {
            "list": [{"jsonrpc": "2.0", "id": calls[0]["id"], "error": error}],
            "alone": {"jsonrpc": "2.0", "id": None, "error": error},
            "each": [{"jsonrpc": "2.0", "id": call["id"], "error": error} for call in calls],
        }
        handler.reply(http, json.dumps(forms[form]).encode(), {})
        return True

    return rude


def _calls(call: dict[str, Any], function: bytes) -> bool:
    return call["method"] == "eth_call" and call["params"][0]["data"].startswith(f"0x{function.hex()}")


class RudeNode:
    """Entered, it listens at ``url``. Requests are passed on to ``target``, unless ``rude`` says otherwise."""

    def __init__(self, target: str = "") -> None:
        self._target = target
        self.seen: list[bytes] = []  #: bodies of all requests
        self.rude: Rudeness | None = None
        self._port = 0
        self._listen()

    def _listen(self) -> None:
        self._server = _Server(("127.0.0.1", self._port), Handler)
        self._server.node = self
        self._port = self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def forward(self, body: bytes) -> requests.Response:
        return requests.post(self._target, data=body, headers={"Content-Type": "application/json"}, timeout=30)

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Nobody listens any more."""
        self._server.released.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._server.connections):
            _shut(connection)

    def away(self, seconds: float) -> threading.Thread:
        """Connections are refused for so long; then it listens again."""
        self.stop()

        def come_back() -> None:
            time.sleep(seconds)
            self._listen()
            self.start()

        thread = threading.Thread(target=come_back)
        thread.start()
        return thread

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    node: RudeNode
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.released = threading.Event()
        self.connections: set[socket.socket] = set()

    def forward(self, body: bytes) -> requests.Response:
        return self.node.forward(body)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.node.seen.append(body)
        rude = self.server.node.rude
        if rude is None or not rude(self, body):
            answer = self.server.forward(body)
            self.reply(answer.status_code, answer.content, {})

    def reply(self, code: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        pass
