"""The HTTP front: what is on the wire, in which order things are checked, and who waits for whom."""

import socket
import threading
import time
import uuid
from collections.abc import Callable
from urllib.parse import quote_plus, urlencode

import pytest

from cicscenario.errors import InvalidError, UnavailableError
from cicscenario.sandbox.process import require_loopback
from cicscenario.sandbox.ussd.faults import UssdFaults
from cicscenario.sandbox.ussd.web import UssdServer
from tests.support.ussd_world import CODE, DROPPED, FORM, Answer, World

MENU = "CON Karibu Sarafu Network!\n1. English\n2. Kiswahili\n3. Kamba\n11. Mbele\n00. Ondoka"


def refusal(status: int, reason: str) -> Answer:
    return Answer(status, reason, {"content-type": "text/plain", "content-length": "0"}, "")


def form(text: str = "", phone: str = "+254711050999", code: str = CODE) -> bytes:
    fields = {"sessionId": uuid.uuid4().hex, "serviceCode": code, "phoneNumber": phone, "text": text}
    return urlencode(fields).encode()


def wire(world: World, data: bytes) -> bytes:
    """All that comes back for these bytes, until the connection is closed."""
    with socket.create_connection(("127.0.0.1", world.port), timeout=20) as connection:
        connection.sendall(data)
        answer = b""
        while more := connection.recv(65536):
            answer += more
        return answer


def test_an_answer_is_this_and_nothing_more(world: World) -> None:
    body = form()
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\nContent-Length: {len(body)}\r\n\r\n"
    assert wire(world, head.encode() + body) == (
        b"HTTP/1.1 200 OK,\r\nContent-Type: text/plain\r\nContent-Length: 80\r\nConnection: close\r\n\r\n"
        + MENU.encode()
    )


def test_two_slashes_are_not_one(world: World) -> None:
    assert wire(world, b"POST // HTTP/1.1\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.1 405 Play by the rules\r\n")


def test_any_method_at_all_is_told_the_rules(world: World) -> None:
    assert world.request("BREW", "/", {}, None) == refusal(405, "Play by the rules")


def test_a_body_of_1024_bytes_passes_and_one_more_is_too_large(world: World) -> None:
    fits = form("1" * (1024 - len(form())))
    assert len(fits) == 1024
    assert world.request("POST", "/", {"Content-Type": FORM}, fits).status == 200
    assert world.request("POST", "/", {"Content-Type": FORM}, fits + b"1") == refusal(400, "Size matters")


def test_a_huge_body_is_too_large_as_well(world: World) -> None:
    assert world.request("POST", "/", {"Content-Type": FORM}, form("1" * 100_000)) == refusal(400, "Size matters")


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("text/plain", b"x" * 2000, refusal(405, "Urlencoded, please")),  # the type before the form
        (FORM, b"x" * 2000, DROPPED),  # the form before the size
        (FORM, form("1" * 2000, code="*1#"), refusal(400, "Size matters")),  # the size before the service code
        (FORM, b"sessionId=%ff&serviceCode=x&phoneNumber=\xff", DROPPED),  # not text at all
    ],
)
def test_checks_come_in_cic_ussds_order(world: World, content_type: str, body: bytes, expected: Answer) -> None:
    assert world.request("POST", "/", {"Content-Type": content_type}, body) == expected


def test_the_service_code_is_checked_before_the_phone_number(world: World) -> None:
    answer = world.request("POST", "/", {"Content-Type": FORM}, form(phone="abc", code="*1#"))
    assert (answer.status, answer.reason, answer.body) == (200, "OK", "Bonyeza *483*46# kutumia mtandao wa Sarafu")


def test_a_silent_connection_keeps_nobody_waiting(world: World) -> None:
    with socket.create_connection(("127.0.0.1", world.port)):
        before = time.monotonic()
        assert world.post(uuid.uuid4().hex, "+254711050999").body == MENU
        assert time.monotonic() - before < 5


def test_many_may_call_at_once_and_each_gets_an_answer(world: World) -> None:
    answers: list[str | None] = []
    callers = [
        threading.Thread(target=lambda number=number: answers.append(world.dial(f"+2547110700{number}", "2")[1]))
        for number in range(10, 30)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(answers) == 20
    assert all(answer and answer.startswith("END Akaunti yako") for answer in answers)
    world.wait_for_quiet()
    assert world.sql("SELECT count(*) FROM account")[0][0] == 20


def test_only_the_last_part_of_the_text_counts(world: World) -> None:
    session, phone = uuid.uuid4().hex, world.phone()
    world.post(session, phone)
    assert str(world.post(session, phone, "9*9*9*1").body).startswith("END Your account is being created")


def test_each_nth_request_is_refused_and_changes_nothing(open_world: Callable[..., World]) -> None:
    world = open_world(faults=UssdFaults(error_every=3))
    session, phone = uuid.uuid4().hex, world.phone()
    statuses = [world.post(session, phone, text).status for text in ("", "11", "1", "1")]
    assert statuses == [200, 200, 500, 200]
    assert world.sql("SELECT count(*) FROM task_tracker")[0][0] == 1
    assert [world.request("GET", "/health-check", {}, None).status for _ in range(4)] == [200] * 4


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "example.org", "::"])
def test_it_does_not_listen_where_others_could_reach_it(host: str) -> None:
    with pytest.raises(InvalidError, match="listens on loopback only"):
        require_loopback(host, "phone interface")


def test_a_taken_port_is_an_error_that_says_so(world: World) -> None:
    with pytest.raises(UnavailableError, match=f"cannot listen on 127.0.0.1:{world.port}: Address already in use"):
        UssdServer("127.0.0.1", world.port, None)  # type: ignore[arg-type]  # it does not come to that


def test_a_plus_that_is_not_encoded_is_a_blank(world: World) -> None:
    body = f"sessionId=a&serviceCode={quote_plus(CODE)}&phoneNumber=+254711050999&text="
    answer = world.request("POST", "/", {"Content-Type": FORM}, body.encode())
    assert answer == refusal(400, "Invalid phone number format")
