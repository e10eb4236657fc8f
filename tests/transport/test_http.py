"""Calls to servers end with the run; requests go where the environment file says, once, and nowhere else."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
import requests

from cicscenario.errors import InterruptedRunError
from cicscenario.transport.cancellation import Cancellation, StopEvent
from cicscenario.transport.exchange import in_thread
from cicscenario.transport.http import HttpSessions, http_connection
from tests.support.silent_server import assert_ends_with_the_run, silent_server


class _Handler(BaseHTTPRequestHandler):
    """Answers each POST with its body; ``/moved`` with a redirect; ``/cut`` with less than it announces, and then nothing."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(307 if self.path == "/moved" else 200)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body) + 10 * (self.path == "/cut")))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server for the block; its host and port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(5)


@pytest.fixture
def echo() -> Iterator[str]:
    with serving(_Handler) as place:
        yield f"http://{place}"


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


@pytest.mark.parametrize("keep", [True, False])
def test_requests_are_answered_and_counted(echo: str, stopping: threading.Event, keep: bool) -> None:
    sessions = HttpSessions(20, stopping, keep=keep)
    headers = {} if keep else {"Connection": "close"}
    assert [sessions.post(echo, data=f"{n}", headers=headers).text for n in range(3)] == ["0", "1", "2"]
    assert sessions.sent == 3
    sessions.close()


class _Told(_Handler):
    """Answers with what it was sent, and a cookie; notes the client's port."""

    ports: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        self.ports.append(self.client_address[1])
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = json.dumps([self.path, sorted(self.headers.items()), body.decode()]).encode()
        self.send_response(200)
        self.send_header("Set-Cookie", "worker=7")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)


@pytest.fixture
def telling() -> Iterator[str]:
    _Told.ports.clear()
    with serving(_Told) as place:
        yield f"http://user:word@{place}/a?b=c"


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize(
    "bodies",
    [
        [{"json": {"id": 1}}, {"json": {"id": 22, "text": "å"}}, {"json": []}, {"json": {"id": 1}}],
        [{"data": "text=1"}, {"data": "text=1*22"}, {"data": "å"}, {"data": ""}, {"data": "text=1"}],
        [{"data": "a"}, {"json": "a"}, {"data": b"a"}, {"data": {"a": "b c"}}, {"data": "a"}],
    ],
)
def test_each_request_is_the_one_that_requests_sends(telling: str, keep: bool, bodies: list[dict[str, Any]]) -> None:
    """Also when it differs from the one before in its body, its headers or a cookie that has come meanwhile."""
    sessions = HttpSessions(20, keep=keep)
    with requests.Session() as witness:
        witness.trust_env = False
        for number, body in enumerate(bodies):
            headers = {"X-Number": str(number % 2)}
            if not keep:
                witness.cookies.clear()
            expected = witness.post(telling, headers=headers, **body).json()
            assert sessions.post(telling, headers=headers, **body).json() == expected
    assert len(set(_Told.ports)) == (2 if keep else 1 + len(bodies))
    sessions.close()


def test_redirects_are_not_followed(echo: str) -> None:
    sessions = HttpSessions(20)
    assert sessions.post(f"{echo}/moved", data="x").status_code == 307
    assert sessions.sent == 1
    sessions.close()


def test_a_proxy_of_the_shell_is_not_used(echo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    sessions = HttpSessions(20)
    assert sessions.post(echo, data="x").text == "x"
    sessions.close()


def test_a_silent_server_is_given_up_after_the_timeout() -> None:
    with silent_server() as port, pytest.raises(requests.ReadTimeout):
        HttpSessions(0.1, keep=False).post(f"http://127.0.0.1:{port}", data="x")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_request_to_a_silent_server_ends_with_the_run(scheme: str, stopping: threading.Event) -> None:
    """With https it is the handshake that is not answered."""
    sessions = HttpSessions(60, stopping, keep=False)
    with silent_server() as port:
        assert_ends_with_the_run(lambda: sessions.post(f"{scheme}://127.0.0.1:{port}", data="x"), stopping)
        with pytest.raises(InterruptedRunError):
            sessions.post(f"{scheme}://127.0.0.1:{port}", data="x")


def test_a_body_that_does_not_come_to_its_end_ends_with_the_run(echo: str, stopping: threading.Event) -> None:
    sessions = HttpSessions(60, stopping)
    assert sessions.post(echo, data="x").text == "x"  # the next request uses this connection again
    assert_ends_with_the_run(lambda: sessions.post(f"{echo}/cut", data="x"), stopping)
    sessions.close()


def test_requests_of_many_threads_end_together(stopping: threading.Event) -> None:
    sessions = HttpSessions(60, stopping, keep=False)
    ended: list[type[BaseException]] = []

    def ask(port: int) -> None:
        try:
            sessions.post(f"http://127.0.0.1:{port}", data="x")
        except InterruptedRunError as error:
            ended.append(type(error))

    with silent_server() as port:
        threads = [threading.Thread(target=ask, args=(port,), daemon=True) for _ in range(20)]
        for thread in threads:
            thread.start()
        assert_ends_with_the_run(lambda: sessions.post(f"http://127.0.0.1:{port}", data="x"), stopping)
        for thread in threads:
            thread.join(2)
    assert ended == [InterruptedRunError] * 20


def test_a_request_that_is_answered_soon_after_the_stop_counts(echo: str, stopping: threading.Event) -> None:
    stopping.set()
    sessions = HttpSessions(60, stopping)
    assert sessions.post(echo, data="x").text == "x"
    sessions.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_http_client_ends_with_the_run(scheme: str, stopping: threading.Event) -> None:
    cancellation = Cancellation(stopping)

    def ask(port: int) -> http.client.HTTPResponse:
        with cancellation.exchange(60, 1000):
            connection = http_connection(scheme, "127.0.0.1", port, timeout=60)
            try:
                connection.request("GET", "/")
                return connection.getresponse()
            finally:
                connection.close()

    with silent_server() as port:
        assert_ends_with_the_run(lambda: ask(port), stopping)


def test_a_look_up_of_a_name_ends_with_the_run(stopping: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(30) and [])
    sessions = HttpSessions(60, stopping, keep=False)
    assert_ends_with_the_run(lambda: sessions.post("http://metadata.example", data="x"), stopping)
    released.set()


def test_what_is_left_behind_is_discarded_when_it_comes(stopping: threading.Event) -> None:
    discarded: list[str] = []
    come, gone = threading.Event(), threading.Event()

    def late() -> str:
        come.wait(30)
        return "late"

    def discard(result: str) -> None:
        discarded.append(result)
        gone.set()

    def wait() -> None:
        with Cancellation(stopping).exchange(60, 1000):
            in_thread(late, discard)

    assert_ends_with_the_run(wait, stopping)
    assert not discarded
    come.set()
    assert gone.wait(5)
    assert discarded == ["late"]


def test_an_error_aside_is_the_callers_error(stopping: threading.Event) -> None:
    def fail() -> None:
        raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"), Cancellation(stopping).exchange(60, 1000):
        in_thread(fail)


def test_an_error_before_the_stop_is_not_taken_for_the_stop(stopping: threading.Event) -> None:
    with pytest.raises(ValueError, match="its own"), Cancellation(stopping).exchange(60, 1000):
        raise ValueError("its own")


def test_an_idle_client_has_no_thread(stopping: threading.Event) -> None:
    cancellation = Cancellation(stopping)
    with cancellation.exchange(60, 1000):
        assert _watching()
    deadline = time.monotonic() + 10
    while _watching() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _watching()
    with cancellation.exchange(60, 1000):
        assert _watching()


def _watching() -> bool:
    return any(thread.name == "cancellation" for thread in threading.enumerate())


def test_a_part_stops_with_the_whole_run_and_not_the_other_way_round(stopping: threading.Event) -> None:
    first, second = StopEvent(stopping), StopEvent(stopping)
    first.set()
    assert (first.is_set(), second.is_set(), stopping.is_set()) == (True, False, False)
    assert first.wait(30)
    assert not second.wait(0.01)
    threading.Timer(0.1, stopping.set).start()
    assert second.wait(30)


def test_a_request_ends_with_the_part_that_it_belongs_to(stopping: threading.Event) -> None:
    part = StopEvent(stopping)
    with silent_server() as port:
        sessions = HttpSessions(60, part, keep=False)
        assert_ends_with_the_run(lambda: sessions.post(f"http://127.0.0.1:{port}", data="x"), stopping)


def test_a_client_that_keeps_no_connection_closes_it_when_the_server_does_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, closing(HttpSessions(5, keep=False)) as http:
        ended = threading.Event()

        def serve() -> None:
            for _ in range(2):
                with listener.accept()[0] as connection:
                    connection.recv(65_536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    assert connection.recv(1) == b"", "nothing more is sent on it"
            ended.set()

        threading.Thread(target=serve, daemon=True).start()
        for _ in range(2):
            assert http.get(f"http://127.0.0.1:{listener.getsockname()[1]}/").text == "ok"
        assert ended.wait(5)
