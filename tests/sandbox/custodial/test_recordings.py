"""What cic-eth's own clients were recorded to push is taken, and answered as the real engine answered it.

``recordings.json``: the exact text of each client's message, what was published, and the entries in the result backend.
"""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from cicscenario.sandbox import stack
from cicscenario.sandbox.pace import FAST, FIGURES, REAL, Work
from tests.support.running_engine import RunningEngine
from tests.support.waiting import eventually

RECORDINGS: dict[str, Any] = json.loads((Path(__file__).parent / "recordings.json").read_text())["scenarios"]
LOCKED = ["create-account-locked", "create-account-locked-error-links"]
SIGNER_DOWN = ["create-account-signer-down", "create-account-signer-down-error-links"]
WHOLE = 8  # entries of a creation that goes well: what its five tasks send for the registration adds three
HELD = "have-account"  # its recorded account is another engine's
AT_THE_REAL_PACE = ["create-account", "create-account-wrong-chain", "default-token-callback", "unregistered-task"]
PLAIN = [name for name in RECORDINGS if name not in (*LOCKED, *SIGNER_DOWN, HELD)]
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ADDRESS = re.compile(r"\b[0-9a-fA-F]{40}\b")
_CACHED = re.compile(r'"[0-9a-f]{64}", \d+')  # a transaction's hash and the number of its row
_HASH = re.compile(r"\b[0-9a-f]{64}\b")
_SIGNED = re.compile(r"\bf8[0-9a-f]{200,}\b")


def general(value: Any, root: str) -> Any:
    """``value`` with names in the place of what differs between any two engines."""
    text = _SIGNED.sub("<signed>", json.dumps(value).replace(root, "<root>"))
    text = _HASH.sub("<hash>", _CACHED.sub('"<hash>", "<row>"', text))
    return json.loads(_ADDRESS.sub("<address>", _UUID.sub("<id>", text)))


def children(entry: dict[str, Any]) -> list[str]:
    """Ids of the tasks that a task's result says it has sent."""
    return [found.group() for found in _UUID.finditer(json.dumps(entry["children"]))]


def tree(engine: RunningEngine, root: str, count: int) -> list[dict[str, Any]]:
    """The result entries that can be reached from the root, once there are so many."""

    def walk() -> list[dict[str, Any]]:
        found, ids = {}, [root]
        while ids:
            text = engine.redis.get(f"celery-task-meta-{(task_id := ids.pop())}")
            if text and task_id not in found:
                found[task_id] = json.loads(text)
                ids += children(found[task_id])
        return list(found.values()) if len(found) >= count else []

    entries: list[dict[str, Any]] = eventually(walk)
    return entries


def shape(entries: list[dict[str, Any]], root: str) -> list[tuple[Any, ...]]:
    """What became of each task, and which tasks it sent: single ones and groups."""
    told = [
        (e["status"], *(json.dumps(general(e[key], root), sort_keys=True) for key in ("result", "children")))
        for e in entries
    ]
    return sorted(told)


def check(engine: RunningEngine, name: str) -> None:
    """Replays a recording and compares everything that its client could see."""
    recording = RECORDINGS[name]
    errors = [r for r in recording["results"] if "group_id" in r["keys"] and r["task"].endswith("redis.redis")]
    reachable = [r for r in recording["results"] if r not in errors or recording["published"][:1] == []]
    if name.startswith("create-account") and len(recording["results"]) == WHOLE:
        reachable = recording["results"]  # the callback is a link, beside another one
    with engine.listen() as listener:
        root = engine.replay(recording)
        entries = tree(engine, root, len(reachable))
        listener.wait(len(recording["published"]) or 1, patience=20 if recording["published"] else 0.5)
    assert shape(entries, root) == shape(reachable, recording["root_id"])
    assert [general(m, root) for m in listener.messages] == [
        general(json.loads(text), recording["root_id"]) for text in recording["published"]
    ]
    assert [general(t, root) for t in listener.texts] == [
        general(text, recording["root_id"]) for text in recording["published"]
    ], "to the byte"
    for entry in entries:
        keys = {key for r in recording["results"] for key in r["keys"]}
        assert set(entry) <= keys | {"parent_id", "group_id"}
        assert 86_000 < engine.redis.ttl(f"celery-task-meta-{entry['task_id']}") <= 86_400


@pytest.mark.parametrize("name", PLAIN)
def test_a_recorded_message_is_answered_as_it_was(engine: RunningEngine, name: str) -> None:
    try:
        check(engine, name)
    finally:
        if name == "lock-create":
            engine.replay(RECORDINGS["unlock-create"])


@pytest.mark.parametrize("name", LOCKED)
def test_under_a_lock_too(engine: RunningEngine, name: str) -> None:
    tree(engine, engine.replay(RECORDINGS["lock-create"]), 1)
    try:
        check(engine, name)
    finally:
        tree(engine, engine.replay(RECORDINGS["unlock-create"]), 1)
    check(engine, "create-account-no-register")


@pytest.mark.slow
def test_and_without_a_signer(engine: RunningEngine) -> None:
    engine.start("signer-down")
    try:
        for name in SIGNER_DOWN:
            check(engine, name)
    finally:
        engine.start()
    check(engine, "create-account-no-register")


@pytest.mark.slow
def test_and_at_the_pace_of_the_real_engine(engine: RunningEngine) -> None:
    stack.up(engine.home, pace=REAL)
    try:
        for name in AT_THE_REAL_PACE:
            check(engine, name)
        began = time.monotonic()
        with engine.listen() as listener:
            for _ in range(10):
                engine.create()
            listener.wait(10)
        assert time.monotonic() - began >= 10 * 3 * FIGURES[Work.TASK].seconds / 2, "three tasks each, two at a time"
        accounts = [message["result"] for message in listener.messages]
        eventually(lambda: engine.are_done(accounts))
        assert time.monotonic() - began >= 10 * 13 * FIGURES[Work.TRANSACTION].seconds / 2
    finally:
        stack.up(engine.home, pace=FAST)


def test_a_held_key_is_told_by_the_address_as_it_was_given(engine: RunningEngine) -> None:
    chain = json.loads(json.dumps(_chain_of(RECORDINGS[HELD])))
    with engine.listen() as listener:
        engine.create()
        (message,) = listener.wait(1)
    for given in (message["result"], f"0x{message['result']}", message["result"].upper()):
        entry = engine.ask("cic_eth.eth.account.have", given, chain)
        assert (entry["status"], entry["result"]) == ("SUCCESS", given)
    for stranger in ("0" * 39 + "1", "nonsense", ""):
        entry = engine.ask("cic_eth.eth.account.have", stranger, chain)
        assert (entry["status"], entry["result"]) == ("SUCCESS", None)


def _chain_of(recording: dict[str, Any]) -> Any:
    import base64

    return json.loads(base64.b64decode(json.loads(recording["payload"])["body"]))[0][1]


def test_a_difference_would_be_noticed() -> None:
    entry = {"status": "SUCCESS", "result": "0" * 40, "children": []}
    wrong = entry | {"result": None}
    assert shape([entry], "r") != shape([wrong], "r")
