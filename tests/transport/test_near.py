"""Connections to this machine need no thread, and all others take the usual way."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from cicscenario.transport.http import HttpSessions
from cicscenario.transport.near import connected_at_once
from tests.support.fake_server import FakeServer


class _Server(FakeServer):
    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str] | None:
        return 200, "there"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as made:
        yield made


def test_a_server_on_this_machine_is_connected_with_its_timeout(listener: socket.socket) -> None:
    made = connected_at_once("127.0.0.1", listener.getsockname()[1], 3.5, [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)])
    assert made is not None
    with made:
        assert made.gettimeout() == 3.5
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "192.0.2.1", "example.org"])
def test_another_address_takes_the_usual_way(listener: socket.socket, host: str) -> None:
    assert connected_at_once(host, listener.getsockname()[1], 1) is None


def test_where_nobody_listens_there_is_no_connection(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    assert connected_at_once("127.0.0.1", port, 1) is None


def test_a_server_that_does_not_take_connections_is_not_waited_for(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    held = []
    while (made := connected_at_once("127.0.0.1", port, 1)) is not None:
        held.append(made)  # until its queue is full
        assert len(held) < 10
    for each in held:
        each.close()


def test_a_request_to_this_machine_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    usual = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        started.append(thread.name)
        usual(thread)

    with _Server() as server, closing(HttpSessions(5, keep=False)) as http:
        monkeypatch.setattr(threading.Thread, "start", start)
        http.get(server.url)
    assert "request" not in started
