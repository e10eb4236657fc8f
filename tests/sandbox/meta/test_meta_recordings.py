"""What the real, unmodified cic-meta answered is what this server answers, byte for byte but for random parts.

The recordings were made on 2026-11-23 (PostgreSQL mode, Node.js 20). Requests are sent as they were then, signatures
included, at the times of then; in answers, random ids are compared by where they occur again. ``@reply`` in a body
stands for the answer to the POST before it. ``dropped`` is where the real server's process ended.
"""

import base64
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cicscenario.sandbox.meta.keys import WriterKeys, trusted_keys
from cicscenario.sandbox.meta.signatures import TrustedKeys, Verdict
from cicscenario.sandbox.pace import FIGURES, REAL, Work
from tests.support.meta_wire import WireAnswer
from tests.support.openpgp_keys import RECORDED_KEYS
from tests.support.running_meta import ClockedMeta

RECORDINGS = {
    path.stem: json.loads(path.read_text("utf-8")) for path in (Path(__file__).parent / "recordings").glob("*")
}
AT_THE_REAL_PACE = [
    "crash-null-value", "get-missing", "header-method-pairs", "immutable", "one-step-person", "other-methods",
    "put-server-malformed", "two-step-bad-signature", "two-step-merge", "two-step-preferences",
]  # fmt: skip
_VOLATILE = ("date", "connection", "keep-alive")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r'timestamp\\",\\"value\\",(\d{10})')
_STALE_DIGEST = re.compile(r'(?<="digest":")[A-Za-z0-9+/=]+(?="}$)')
_DIGEST = re.compile(r'(?<=sign\\"]]]]","digest":")[A-Za-z0-9+/=]+(?="}$)')
_DIGEST = re.compile(r"W1s[A-Za-z0-9+/]+=*")  # base64 of [[


def comparable(text: str) -> str:
    """With ids replaced by their first occurrence's number, and digests opened for the ids in them."""
    opened = _DIGEST.sub(lambda found: base64.b64decode(found[0]).decode(), text)
    names: dict[str, str] = {}
    return _UUID.sub(lambda found: names.setdefault(found[0], f"id{len(names)}"), opened)


def sent_body(step: dict[str, Any], reply: str) -> bytes:
    if "body_hex" in step:
        return bytes.fromhex(step["body_hex"])
    return str(step.get("body", "")).replace('"@reply"', json.dumps(reply)).encode()


def recorded_body(step: dict[str, Any]) -> str:
    return bytes.fromhex(step["answer_hex"]).decode() if "answer_hex" in step else step.get("answer_body", "")


def without_stale_digest(step: dict[str, Any], body: str) -> str:
    """An envelope with history bears the digest of anybody's last POST; no client may believe it."""
    method, _, headers = step["send"]
    is_history = (method, headers.get("X-CIC-AUTOMERGE")) == ("GET", "client")
    return _STALE_DIGEST.sub("", body) if is_history else body


def differences(step: dict[str, Any], answer: WireAnswer | None) -> list[str]:
    if step.get("dropped") or answer is None:
        return [] if step.get("dropped") and answer is None else ["one of them dropped the connection"]
    status, reason, headers = step["answer"]
    seen = {name: value for name, value in answer.headers.items() if name not in _VOLATILE}
    pairs = {
        "status": (status, answer.status),
        "reason": (reason, answer.reason),
        "headers": (headers, seen),
        "body": [comparable(without_stale_digest(step, text)) for text in (recorded_body(step), answer.body.decode())],
    }
    return [f"{what}: recorded {was}, now {now}" for what, (was, now) in pairs.items() if was != now]


def is_cut(step: dict[str, Any]) -> bool:
    return bool(step.get("cut"))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, writer_keys: WriterKeys) -> Iterator[dict[str, ClockedMeta]]:
    """Three servers. One counts Content-Length as the real one does, which not every client survives; one is as slow."""
    folder = tmp_path_factory.mktemp("recorded")
    servers = {
        "right": ClockedMeta(folder / "right", writer_keys),
        "cutting": ClockedMeta(folder / "cutting", writer_keys, "truncate-non-ascii"),
        REAL: ClockedMeta(folder / REAL, writer_keys),
    }
    servers[REAL].pace = REAL
    for server in servers.values():
        server.start()
    yield servers
    for server in servers.values():
        server.stop()


@pytest.mark.parametrize("name", sorted(RECORDINGS))
def test_every_recorded_exchange_comes_out_the_same(name: str, recorded: dict[str, ClockedMeta]) -> None:
    steps = RECORDINGS[name]["steps"]
    replay(steps, recorded["cutting" if any(map(is_cut, steps)) else "right"])


@pytest.mark.parametrize("name", AT_THE_REAL_PACE)
def test_at_the_real_pace_too(name: str, recorded: dict[str, ClockedMeta]) -> None:
    began = time.monotonic()
    steps = RECORDINGS[name]["steps"]
    replay(steps, recorded[REAL])
    asked = [step["send"] for step in steps if not step.get("dropped")]
    puts = [headers for method, _, headers in asked if (method, headers.get("X-CIC-AUTOMERGE")) == ("PUT", "server")]
    assert time.monotonic() - began >= len(puts) * FIGURES[Work.STEP].seconds


def replay(steps: list[dict[str, Any]], server: ClockedMeta) -> None:
    server.set_clock(1700000000)
    reply = ""
    for number, step in enumerate(steps):
        method, path, headers = step["send"]
        if times := _TIME.findall(recorded_body(step)):
            server.set_clock(int(times[-1]))
        answer = server.ask(method, path, headers, sent_body(step, reply))
        assert not differences(step, answer), f"step {number}, {method} {step.get('note')}"
        if method == "POST" and not step.get("dropped"):
            reply = recorded_body(step)


@pytest.mark.parametrize("what", ["status", "reason", "content-length", "body", "dropped"])
def test_the_comparison_sees_what_differs(what: str) -> None:
    step = RECORDINGS["two-step-preferences"]["steps"][2]
    status, reason, headers = step["answer"]
    right = WireAnswer(status, reason, dict(headers), recorded_body(step).encode())
    assert not differences(step, right)
    wrong = {
        "status": WireAnswer(201, reason, headers, right.body),
        "reason": WireAnswer(status, "Fine", headers, right.body),
        "content-length": WireAnswer(status, reason, headers | {"content-length": "26"}, right.body),
        "body": WireAnswer(status, reason, headers, right.body.replace(b"sw", b"en")),
        "dropped": None,
    }[what]
    assert differences(step, wrong)


def test_ids_are_compared_by_where_they_occur_again() -> None:
    first, second = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"
    assert comparable(f"{first} {second} {first}") == comparable(f"{second} {first} {second}")
    assert comparable(f"{first} {second} {first}") != comparable(f"{first} {second} {second}")


def test_what_was_recorded_of_signatures_is_what_a_check_says(tmp_path: Path) -> None:
    (tmp_path / "writer.pub.asc").write_text((RECORDED_KEYS / "writer.pub.asc").read_text())
    trust = TrustedKeys(trusted_keys(tmp_path))
    seen = []
    for name, recording in RECORDINGS.items():
        for step in recording["steps"]:
            if "valid" in step and step["send"][2].get("X-CIC-AUTOMERGE") == "server":
                body = json.loads(sent_body(step, "{}"))
                expected = Verdict.VALID if step["valid"] else Verdict.INVALID
                assert trust.check(body["s"]) is expected, name
                seen.append(step["valid"])
    assert (seen.count(True), seen.count(False)) == (35, 4)
