"""The metadata server as a process: what it keeps when it is stopped or killed, what it refuses, how it speaks HTTP."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cicscenario.sandbox.meta.keys import WriterKeys
from cicscenario.sandbox.ports import free_port
from tests.support.meta_wire import parse, request_bytes, talk
from tests.support.openpgp_keys import RECORDED_KEYS
from tests.support.running_meta import (
    CLIENT,
    IMMUTABLE,
    ROOT_FOLDER,
    SERVER,
    RunningMeta,
    one_step,
    signature,
    signer_of,
)
from tests.support.visitors import LOCAL_PAGE, PROGRAMS, STRANGERS, visit

A, B = "a" * 64, "b" * 64
Started = Callable[..., RunningMeta]


def run(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cicscenario.sandbox.meta", "--data", str(folder), *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT_FOLDER)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_restart_brings_everything_back(meta_with: Started, number: signal.Signals) -> None:
    server = meta_with()
    server.write_two_step(A, {"a": {"b": [1, "é"]}})
    server.write_one_step(B, "text")
    mime = {"Content-Type": "text/plain; charset=utf-8"}
    hashed = server.answered("POST", "/", IMMUTABLE | mime, "für immer").body.decode()
    history = server.answered("GET", f"/{A}", CLIENT).body
    assert server.stop(number) == (-9 if number is signal.SIGKILL else 0)
    server.start()
    assert (server.get(A), server.get(B)) == ({"a": {"b": [1, "é"]}}, "text")
    kept = server.answered("GET", f"/{hashed}")
    assert (kept.body.decode(), kept.headers["content-type"]) == ("für immer", mime["Content-Type"])
    payload = json.loads(history)["payload"]
    assert json.loads(server.answered("GET", f"/{A}", CLIENT).body)["payload"] == payload
    server.write_two_step(A, {"c": 1})
    assert server.get(A) == {"a": {"b": [1, "é"]}, "c": 1}


def test_every_confirmed_write_survives_a_kill_in_the_middle(meta_with: Started) -> None:
    server = meta_with()
    confirmed: list[int] = []

    def write() -> None:
        for number in range(100_000):
            try:
                answer = server.ask("PUT", f"/{number:064x}", CLIENT, one_step(server.writer, "x", number))
            except OSError:
                return
            if answer is None or answer.status != 200:
                return
            confirmed.append(number)

    thread = threading.Thread(target=write)
    thread.start()
    while len(confirmed) < 30:
        time.sleep(0.01)
    server.stop(signal.SIGKILL)
    thread.join(timeout=30)
    server.start()
    assert [server.get(f"{number:064x}") for number in confirmed] == confirmed


def test_sigterm_ends_it_though_a_client_stays_connected(meta_with: Started) -> None:
    server = meta_with("delay=30")
    threading.Thread(target=talk, args=(server.port, request_bytes("GET", f"/{A}", {}, b""))).start()
    time.sleep(0.2)
    begin = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begin < 8


def test_at_its_first_start_it_makes_the_writers_keys_and_trusts_them(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "cicscenario.sandbox.meta", "--data", str(tmp_path / "new"), "--port", str(port)]
    process = subprocess.Popen([*command, "--fault", "strict"], cwd=ROOT_FOLDER, stderr=subprocess.PIPE)
    try:
        for _ in range(600):
            try:
                talk(port, request_bytes("OPTIONS", "/", {}, b""))
                break
            except OSError:
                time.sleep(0.05)
        folder = tmp_path / "new"
        keys = WriterKeys(folder / "writer.asc", folder / "writer.passphrase", folder / "writer.pub.asc")
        body = one_step(signer_of(keys), A, "mine").encode()
        assert parse(talk(port, request_bytes("PUT", f"/{A}", CLIENT, body))).status == 200
        assert parse(talk(port, request_bytes("GET", f"/{A}", {}, b""))).body == b'"mine"'
    finally:
        process.terminate()
        _, said = process.communicate(timeout=20)
    assert said == b""


def test_a_key_in_the_folder_of_trusted_ones_is_trusted(meta_with: Started, writer_keys: WriterKeys) -> None:
    server = meta_with("strict")
    built = server.answered("POST", f"/{A}", SERVER, "1").body.decode()
    body = json.dumps({"m": built, "s": signature(server.writer, "W10=")})
    server.stop()
    stranger = (RECORDED_KEYS / "stranger.pub.asc").read_text()
    (server.folder / "writer.pub.asc").write_text(stranger)
    server.start()
    assert server.answered("PUT", f"/{A}", SERVER, body).status == 403
    server.stop()
    (server.folder / "trusted" / "third.asc").write_text(writer_keys.public_key.read_text())
    server.start()
    assert server.answered("PUT", f"/{A}", SERVER, body).status == 200


def test_a_signature_that_is_another_kind_of_openpgp_data_is_fatal(meta: RunningMeta) -> None:
    built = meta.answered("POST", f"/{A}", SERVER, "1").body.decode()
    other = {"data": (RECORDED_KEYS / "writer.pub.asc").read_text(), "digest": "W10="}
    assert meta.ask("PUT", f"/{A}", SERVER, json.dumps({"m": built, "s": other})) is None
    assert meta.get(A) is None
    broken = {"data": "-----BEGIN PGP MESSAGE-----\n\nnothing\n-----END PGP MESSAGE-----\n", "digest": "W10="}
    assert meta.answered("PUT", f"/{A}", SERVER, json.dumps({"m": built, "s": broken})).status == 200
    assert meta.get(A) == 1


def test_a_one_step_write_onto_an_immutable_entry_is_fatal(meta: RunningMeta) -> None:
    hashed = meta.answered("POST", "/", IMMUTABLE, "rock").body.decode()
    assert meta.ask("PUT", f"/{hashed}", CLIENT, one_step(meta.writer, hashed, "x")) is None
    assert meta.answered("GET", f"/{hashed}").body == b"rock"


def test_immutable_bytes_have_the_mime_they_came_with(meta: RunningMeta) -> None:
    for body, headers, mime in (
        (b"", {}, "application/octet-stream"),
        (b"\x00\xff", {"Content-Type": "image/x"}, "image/x"),
    ):
        created = meta.answered("POST", "/", IMMUTABLE | headers, body)
        assert (created.status, created.headers["content-type"]) == (201, "application/json")
        answer = meta.answered("GET", f"/{created.body.decode()}")
        assert (answer.body, answer.headers["content-type"]) == (body, mime)


def test_newer_one_step_writes_replace_whatever_is_there(meta: RunningMeta) -> None:
    meta.write_two_step(B, {"old": [1, 2]})
    for value in ("text", {"new": 1}, 7, False):
        meta.write_one_step(B, value)
        assert meta.get(B) == value
    meta.write_one_step(B, {"flat": 1})
    meta.write_two_step(B, {"merged": 2})
    assert meta.get(B) == {"flat": 1, "merged": 2}


def test_connections_are_kept_as_nodejs_keeps_them(meta: RunningMeta) -> None:
    meta.write_one_step(B, "x")
    first = request_bytes("GET", f"/{B}", {}, b"", close=False)
    missing = request_bytes("GET", f"/{'c' * 64}", {}, b"", close=False)
    received = talk(meta.port, first + missing + request_bytes("GET", f"/{B}", {}, b""))
    answers = received.split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200", b"404", b"200"]
    kept, closed = parse(b"HTTP/1.1 " + answers[0]), parse(b"HTTP/1.1 " + answers[2])
    assert kept.header_names[:3] == ["Access-Control-Allow-Origin", "Content-Type", "Content-Length"]
    assert (kept.headers["connection"], kept.headers["keep-alive"]) == ("keep-alive", "timeout=5")
    assert (closed.headers["connection"], "keep-alive" in closed.headers) == ("close", False)
    assert "server" not in kept.headers


def test_a_body_in_chunks_is_read(meta: RunningMeta) -> None:
    head = f"POST /{'d' * 64} HTTP/1.1\r\nHost: localhost\r\nX-CIC-AUTOMERGE: server\r\nTransfer-Encoding: chunked\r\n"
    received = talk(meta.port, f'{head}Connection: close\r\n\r\n3\r\n{{"a\r\n4\r\n":1}}\r\n0\r\n\r\n'.encode())
    assert parse(received).status == 200


def test_an_old_client_gets_no_chunks(meta: RunningMeta) -> None:
    received = talk(meta.port, f"GET /{'e' * 64} HTTP/1.0\r\n\r\n".encode())
    assert (b" 404 " in received[:20], b"chunked" in received.lower()) == (True, False)


def test_a_big_value_is_no_trouble(meta: RunningMeta) -> None:
    value = "x" * 5_000_000
    assert meta.write_one_step("f" * 64, value).status == 200
    assert meta.get("f" * 64) == value


def test_two_servers_cannot_share_a_folder(meta: RunningMeta) -> None:
    done = run(meta.folder, "--port", str(free_port()))
    assert (done.returncode, "in use by another metadata server" in done.stderr) == (4, True)


def test_a_taken_port_is_said_plainly(meta: RunningMeta, tmp_path: Path, writer_keys: WriterKeys) -> None:
    other = RunningMeta(tmp_path / "other", writer_keys)
    done = run(other.folder, "--port", str(meta.port))
    assert (done.returncode, f"cannot listen on 127.0.0.1:{meta.port}" in done.stderr) == (3, True)
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "meta.sqlite").write_bytes(b"something else" * 1000)
    done = run(tmp_path, "--port", str(free_port()))
    assert (done.returncode, "not a metadata server's" in done.stderr) == (4, True)
    assert (tmp_path / "meta.sqlite").read_bytes() == b"something else" * 1000


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.org"])
def test_only_loopback_is_served(tmp_path: Path, host: str) -> None:
    done = run(tmp_path / "data", "--host", host, "--port", str(free_port()))
    assert (done.returncode, "loopback only" in done.stderr) == (2, True)
    assert not (tmp_path / "data").exists()


def test_an_unknown_fault_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    done = run(tmp_path / "data", "--port", str(free_port()), "--fault", "typhoon")
    assert (done.returncode, "parallel-put-hang" in done.stderr) == (2, True)
    assert not (tmp_path / "data").exists()


def test_it_answers_programs_and_pages_of_this_machine_only(meta_with: Started) -> None:
    """cic-meta itself answers pages of any site: a sandbox has only its user's own."""
    port = meta_with().port
    path = f"/{A}"
    answers = {who: visit(port, "GET", path, b"", headers, {})[0] for who, headers in STRANGERS.items()}
    assert set(answers.values()) == {403}
    answers = {who: visit(port, "GET", path, b"", headers, {})[0] for who, headers in PROGRAMS.items()}
    assert set(answers.values()) == {404}
    assert visit(port, "GET", path, b"", LOCAL_PAGE, {})[0] == 404
    assert visit(port, "OPTIONS", "/", b"", LOCAL_PAGE, {})[0] == 200
