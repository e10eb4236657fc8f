"""An exchange ends when it is late or too large, and says which; another one of the same client goes on."""

import gzip
import threading
import time

import pytest
import requests

from cicscenario.transport.cancellation import Cancellation
from cicscenario.transport.exchange import Exchange, LateError, TooLargeError, in_thread
from cicscenario.transport.http import HttpSessions, ResponseTooLargeError
from tests.support.raw_servers import drips_after, half, never_answers, raw_server

LONG = 300.0  # seconds


def answer(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_an_answer_that_is_too_large_is_refused() -> None:
    sessions = HttpSessions(LONG, most=2000, keep=False)
    with raw_server(half(answer(b"a" * 1000))) as port:
        assert len(sessions.get(f"http://127.0.0.1:{port}").content) == 1000
    with (
        raw_server(half(answer(b"a" * 2001))) as port,
        pytest.raises(ResponseTooLargeError, match="larger than 2000 bytes"),
    ):
        sessions.get(f"http://127.0.0.1:{port}")


def test_what_comes_counts_also_when_nobody_keeps_it() -> None:
    """Headers, here."""
    sessions = HttpSessions(LONG, most=2000, keep=False)
    headers = [f"X-{number}: {'a' * 90}" for number in range(40)]
    with raw_server(half(answer(b"", *headers[:10]))) as port:
        assert sessions.get(f"http://127.0.0.1:{port}").status_code == 200
    with (
        raw_server(half(answer(b"", *headers))) as port,
        pytest.raises(ResponseTooLargeError, match="larger than 2000 bytes"),
    ):
        sessions.get(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(("coding", "layers"), [("gzip", 1), ("gzip, gzip", 2)])
def test_an_answer_that_becomes_too_large_when_it_is_unpacked_is_refused(coding: str, layers: int) -> None:
    def packed(size: int) -> bytes:
        body = b"a" * size
        for _ in range(layers):
            body = gzip.compress(body)
        return answer(body, f"Content-Encoding: {coding}")

    sessions = HttpSessions(LONG, most=100_000, keep=False)
    with raw_server(half(packed(100_000))) as port:
        assert len(sessions.get(f"http://127.0.0.1:{port}").content) == 100_000
    with (
        raw_server(half(packed(10_000_000))) as port,
        pytest.raises(ResponseTooLargeError, match="larger than 100000 bytes"),
    ):
        sessions.get(f"http://127.0.0.1:{port}")


def test_what_is_late_is_told_by_how_far_it_came() -> None:
    """What was sent may have been carried out."""
    with raw_server(never_answers) as port:
        with pytest.raises(requests.ReadTimeout, match=r"no whole answer within 0\.2 seconds"):
            HttpSessions(0.2, keep=False).post(f"http://127.0.0.1:{port}", data="x")
        with pytest.raises(requests.ConnectTimeout, match=r"no whole answer within 0\.2 seconds"):
            HttpSessions(0.2, keep=False).post(f"https://127.0.0.1:{port}", data="x")


def test_only_the_late_exchange_is_ended() -> None:
    """Another thread's, of the same client and at the same time, gets its answer."""
    sessions = HttpSessions(3)
    found: list[str] = []
    release = threading.Event()

    def serve(connection: object, over: threading.Event) -> None:
        release.wait(30)
        half(answer(b"its own"))(connection, over)  # type: ignore[arg-type]

    with raw_server(serve) as slow, raw_server(drips_after(b"HTTP/1.1 200 OK\r\nX: ")) as never:
        other = threading.Thread(target=lambda: found.append(sessions.get(f"http://127.0.0.1:{slow}").text))
        threading.Timer(2, other.start).start()
        with pytest.raises(requests.ReadTimeout):
            sessions.get(f"http://127.0.0.1:{never}")
        release.set()
        other.join(30)
    sessions.close()
    assert found == ["its own"]


def test_each_of_several_requests_has_its_time_and_all_have_theirs() -> None:
    exchange = Exchange(1.0, 100, longest=2.0)
    began = exchange.until
    time.sleep(0.05)
    exchange.received(90)
    exchange.renew()
    assert began < exchange.until < began + 1
    exchange.received(90)
    time.sleep(1.2)
    last = exchange.until
    exchange.renew()
    assert exchange.until == last
    with pytest.raises(TooLargeError):
        exchange.received(20)


def test_a_call_aside_is_not_waited_for_when_its_time_is_over() -> None:
    come = threading.Event()
    with pytest.raises(LateError), Cancellation().exchange(0.1, 100):
        in_thread(lambda: come.wait(30))
    come.set()
