"""HTTP in a short way: the same bytes go out as from ``http.client``, and every form of answer is read."""

import http.client
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from cicscenario.sandbox.leanhttp import LeanConnection

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class _Server:
    """Sends the next of ``answers``, whatever it is asked; with ``None`` it closes the connection."""

    def __init__(self, answers: list[bytes | None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.asked: list[bytes] = []
        self.connections = 0
        self._answers = answers
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while self._answers:
            connection, _ = self._listener.accept()
            self.connections += 1
            with connection:
                while self._answers and (asked := _request(connection)):
                    self.asked.append(asked)
                    answer = self._answers.pop(0)
                    if answer is None:
                        break
                    connection.sendall(answer)
                    if b"close" in answer:
                        break

    def close(self) -> None:
        self._listener.close()


def _request(connection: socket.socket) -> bytes:
    """A whole request; nothing when the connection has ended."""
    asked = connection.recv(65_536)
    head, _, body = asked.partition(b"\r\n\r\n")
    announced = re.search(rb"Content-Length: (\d+)", head)
    while announced and len(body) < int(announced[1]):
        more = connection.recv(65_536)
        asked, body = asked + more, body + more
    return asked


@contextmanager
def _asking(*answers: bytes | None) -> Iterator[tuple[_Server, LeanConnection]]:
    with closing(_Server(list(answers))) as server, closing(LeanConnection("127.0.0.1", server.port, 5)) as client:
        yield server, client


@pytest.mark.parametrize(
    ("method", "body", "headers"), [("GET", None, {}), ("POST", b'{"a": 1}', {"Content-Type": "application/json"})]
)
def test_a_request_is_that_of_the_standard_library(method: str, body: bytes | None, headers: dict[str, str]) -> None:
    with _asking(_OK, _OK) as (server, client):
        assert client.request(method, "/a/b", body, headers) == (200, b"ok")
        client.close()
        usual = http.client.HTTPConnection("127.0.0.1", server.port)
        usual.request(method, "/a/b", body, headers)
        usual.getresponse().read()
        usual.close()
        short, long = (b"".join(asked.split(b"\r\n\r\n")) for asked in server.asked)
        assert sorted(short.split(b"\r\n")) == sorted(long.split(b"\r\n"))


@pytest.mark.parametrize(
    "answer",
    [
        _OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    ],
    ids=["length", "chunks", "to the end", "closed"],
)
def test_every_form_of_body_is_read(answer: bytes) -> None:
    with _asking(answer, _OK) as (server, client):
        assert client.request("GET", "/", None, {}) == (200, b"ok")
        assert client.request("GET", "/", None, {}) == (200, b"ok")
        assert server.connections == (2 if b"close" in answer else 1)


def test_what_is_longer_than_announced_is_not_taken_for_the_next_answer() -> None:
    with _asking(_OK + b"more", _OK) as (_, client):
        assert client.request("GET", "/", None, {}) == (200, b"ok")
        assert client.request("GET", "/", None, {}) == (200, b"ok")


@pytest.mark.parametrize(
    "answer", [None, b"SSH-2.0 hello there\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nclose"]
)
def test_no_whole_answer_is_an_error_and_the_next_request_connects_again(answer: bytes | None) -> None:
    with _asking(answer, _OK) as (_, client):
        with pytest.raises((OSError, http.client.HTTPException)):
            client.request("GET", "/", None, {})
        client.close()
        assert client.request("GET", "/", None, {}) == (200, b"ok")
