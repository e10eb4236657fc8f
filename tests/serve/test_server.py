"""The page of a run is read by browsers of this machine, and by nobody else; nothing can be written or asked for but it."""

import http.client
import socket
from collections.abc import Iterator

import pytest

from cicscenario.errors import UnavailableError
from cicscenario.report.html import policy
from cicscenario.serve.server import HOST, serving
from tests.support.visitors import LOCAL_PAGE, PROGRAMS, STRANGERS, visit

PAGE = "<!doctype html><title>a run</title>"


class Pages:
    """What is served, and how often it was made."""

    def __init__(self) -> None:
        self.made = 0
        self.text = PAGE

    def __call__(self) -> str:
        self.made += 1
        return self.text


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
def port(pages: Pages) -> Iterator[int]:
    with serving(pages, 0) as served:
        yield int(served.address.rstrip("/").rpartition(":")[2])


def asked(port: int, method: str = "GET", path: str = "/", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=20)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_strangers_get_nothing_and_programs_of_this_machine_the_page(port: int, pages: Pages) -> None:
    for who, headers in [*STRANGERS.items(), ("a page of another local server", LOCAL_PAGE)]:
        status, text = visit(port, "GET", "/", b"", headers, {})
        assert (status, PAGE in text) == (403, False), who
    assert pages.made == 0
    for who, headers in PROGRAMS.items():
        assert visit(port, "GET", "/", b"", headers, {}) == (200, PAGE), who


def test_no_other_address_of_this_machine_is_listened_on(port: int) -> None:
    """127.0.0.2 is this machine's, too, and answers where a server listens on every address."""
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.2", port), timeout=20):
        pass


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "MAKE"])
def test_it_can_only_be_read(port: int, pages: Pages, method: str) -> None:
    assert asked(port, method)[0].status == 501
    assert pages.made == 0


@pytest.mark.parametrize("path", ["/state.sqlite", "/../secret", "/.", "/%2e%2e/secret", "*", "/report.json?/"])
def test_there_is_one_page_and_no_file(port: int, pages: Pages, path: str) -> None:
    assert asked(port, path=path)[0].status == 404
    assert pages.made == 0


def test_it_says_what_a_browser_may_do_with_it(port: int) -> None:
    answer, body = asked(port)
    assert body.decode() == PAGE
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"] == policy()
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert asked(port, "HEAD")[1] == b""


def test_who_has_the_page_already_is_told_so(port: int, pages: Pages) -> None:
    tag = asked(port)[0].headers["ETag"]
    answer, body = asked(port, If_None_Match=tag)
    assert (answer.status, body) == (304, b"")
    pages.text += "<p>more"
    answer, body = asked(port, If_None_Match=tag)
    assert (answer.status, body.decode()) == (200, pages.text)
    assert answer.headers["ETag"] != tag


def test_a_port_that_is_taken_is_named_with_a_remedy(port: int) -> None:
    with (
        pytest.raises(
            UnavailableError, match=rf"cannot be served on 127\.0\.0\.1:{port}: address already in use"
        ) as told,
        serving(Pages(), port),
    ):
        pass
    assert told.value.hint


def test_nobody_who_looks_is_left_with_an_old_page_and_nobody_is_waited_for_in_vain(pages: Pages) -> None:
    with serving(pages, 0) as served:
        served.say_goodbye(600)  # nobody has looked: it does not wait
        asked(int(served.address.rstrip("/").rpartition(":")[2]))
        served.say_goodbye(0.05)  # somebody has, and is gone
