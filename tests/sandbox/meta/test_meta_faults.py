"""Each fault switch does what it says, and nothing when it is off."""

import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from cicscenario.errors import InvalidError
from cicscenario.sandbox.meta.faults import MetaFaults
from cicscenario.sandbox.meta.faults import parse as parse_faults
from tests.support.meta_wire import WireAnswer, parse, request_bytes, talk
from tests.support.running_meta import CLIENT, IMMUTABLE, SERVER, RunningMeta, one_step, signature, silent

A, B = "a" * 64, "b" * 64
Started = Callable[..., RunningMeta]


def put(server: RunningMeta, pointer: str, value: object) -> bytes:
    return request_bytes("PUT", f"/{pointer}", CLIENT, one_step(server.writer, pointer, value).encode())


def test_a_put_beside_another_one_is_never_answered_nor_stored(meta_with: Started) -> None:
    server = meta_with("parallel-put-hang")
    for attempt in range(20):  # they have to meet
        both = [put(server, A, attempt), put(server, B, attempt)]
        with ThreadPoolExecutor() as threads:
            lost = list(threads.map(lambda sent: silent(server.port, sent, 1.0), both))
        if any(lost):
            break
    assert sorted(lost) == [False, True]
    assert [server.get(A) != attempt, server.get(B) != attempt] == lost


def test_the_same_put_alone_is_stored_all_the_same(meta_with: Started) -> None:
    server = meta_with("parallel-put-hang")
    for value in range(3):
        assert parse(talk(server.port, put(server, A, value))).status == 200
        assert server.get(A) == value


def test_gets_and_posts_do_not_hang_beside_a_put(meta_with: Started) -> None:
    server = meta_with("parallel-put-hang", "delay=0.05")
    server.write_one_step(A, 1)
    threading.Thread(target=talk, args=(server.port, put(server, B, 2))).start()
    assert server.get(A) == 1
    assert server.answered("POST", f"/{A}", SERVER, '""').status == 200


def test_without_the_fault_parallel_puts_are_all_stored(meta: RunningMeta) -> None:
    pointers = [f"{number:064x}" for number in range(16)]
    bodies = [put(meta, pointer, number) for number, pointer in enumerate(pointers)]
    threads = [threading.Thread(target=talk, args=(meta.port, body)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [meta.get(pointer) for pointer in pointers] == list(range(16))


def test_content_length_counts_utf_16_units_only_with_its_fault(meta: RunningMeta, meta_with: Started) -> None:
    text = "Zoë 😀"
    whole = json.dumps(text, ensure_ascii=False).encode()
    for server, cut in ((meta, whole), (meta_with("truncate-non-ascii"), whole[: len('"Zoe ??"')])):
        server.write_one_step(A, text)
        answer = server.answered("GET", f"/{A}")
        assert answer.body == whole  # read to the end, whatever the length says
        assert answer.cut == cut


def test_what_is_cut_off_spoils_the_next_answer_on_the_connection(meta_with: Started) -> None:
    server = meta_with("truncate-non-ascii")
    server.write_one_step(A, "é" * 5)
    get = request_bytes("GET", f"/{A}", {}, b"", close=False)
    received = talk(server.port, get + request_bytes("GET", f"/{A}", {}, b""))
    first = received.partition(b"\r\n\r\n")[2]
    assert first.startswith('"ééééé"HTTP/1.1 200'.encode())
    assert parse(received).headers["content-length"] == "7"


def test_each_nth_request_fails_and_is_not_looked_at(meta_with: Started) -> None:
    server = meta_with("error-every=3")
    statuses = [server.write_one_step(f"{number:064x}", number).status for number in range(6)]
    assert statuses == [200, 200, 500, 200, 200, 500]
    assert server.answered("OPTIONS", "/").status == 200
    assert [server.get("0" * 63 + digit) for digit in "02"[:1]] == [0]
    assert server.answered("GET", f"/{2:064x}").status == 404


def test_each_nth_connection_is_dropped(meta_with: Started) -> None:
    server = meta_with("drop-every=2")
    assert [server.ask("GET", f"/{A}") is None for _ in range(6)] == [False, True] * 3


def test_a_delay_is_waited_before_the_answer(meta_with: Started) -> None:
    server = meta_with("delay=0.3")
    begin = time.monotonic()
    server.get(A)
    assert 0.3 <= time.monotonic() - begin < 5


def test_a_client_that_gave_up_has_written_all_the_same(meta_with: Started) -> None:
    server = meta_with("delay=0.3")
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(put(server, A, "late"))
    time.sleep(0.6)
    assert server.get(A) == "late"


def test_with_an_expired_key_everything_is_answered_and_nothing_kept(meta_with: Started) -> None:
    server = meta_with("expired-key")
    assert server.write_one_step(A, 1).status == 200
    assert server.write_two_step(B, 1).status == 200
    assert (server.get(A), server.get(B)) == (None, None)
    assert server.answered("POST", "/", IMMUTABLE, "x").status == 500


def test_with_an_expired_key_the_connection_ends_after_a_two_step_put(meta_with: Started) -> None:
    server = meta_with("expired-key")
    built = server.answered("POST", f"/{A}", SERVER, "1")
    body = json.dumps({"m": built.body.decode(), "s": signature(server.writer, "W10=")}).encode()
    two = request_bytes("PUT", f"/{A}", SERVER, body, close=False) + request_bytes("GET", f"/{A}", {}, b"")
    assert talk(server.port, two).count(b"HTTP/1.1 ") == 1


def _bad(server: RunningMeta) -> list[WireAnswer]:
    built = server.answered("POST", f"/{A}", SERVER, "1")
    wrong = {"m": built.body.decode(), "s": signature(server.writer, "W10=", "another text")}
    client = one_step(server.writer, B, 1).replace("W10=", "W1x=")
    return [
        server.answered("PUT", f"/{A}", SERVER, json.dumps(wrong)),
        server.answered("PUT", f"/{B}", CLIENT, client),
    ]


def test_a_wrong_signature_is_taken_unless_strict(meta_with: Started) -> None:
    server = meta_with()
    assert [answer.status for answer in _bad(server)] == [200, 200]
    assert (server.get(A), server.get(B)) == (1, 1)


def test_strict_refuses_a_wrong_signature_and_takes_a_right_one(meta_with: Started) -> None:
    server = meta_with("strict")
    assert [(answer.status, answer.reason) for answer in _bad(server)] == [(403, "Forbidden")] * 2
    assert (server.get(A), server.get(B)) == (None, None)
    assert (server.write_two_step(A, 1).status, server.write_one_step(B, 1).status) == (200, 200)
    assert (server.get(A), server.get(B)) == (1, 1)


@pytest.mark.parametrize(
    ("switches", "expected"),
    [
        ([], MetaFaults()),
        (["strict", "delay=0.5"], MetaFaults(strict=True, delay=0.5)),
        (["error-every=3", "drop-every=4"], MetaFaults(error_every=3, drop_every=4)),
    ],
)
def test_switches_are_read(switches: list[str], expected: MetaFaults) -> None:
    assert parse_faults(switches) == expected


@pytest.mark.parametrize(
    ("switch", "message"),
    [
        ("stricter", "unknown"),
        ("strict=yes", "takes no value"),
        ("delay", "expected NAME=SECONDS"),
        ("delay=-1", "expected NAME=SECONDS"),
        ("delay=inf", "expected NAME=SECONDS"),
        ("error-every=0", "expected NAME=N"),
        ("drop-every=x", "expected NAME=N"),
    ],
)
def test_a_wrong_switch_is_refused(switch: str, message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        parse_faults([switch])
