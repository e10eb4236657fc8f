"""A metadata server that keeps what is written to it in two steps with a valid signature, and counts the requests."""

import base64
import functools
import json
import re
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pysequoia import Tsk, verify

from cicscenario.sandbox.ussd.metaclient import EntrySigner
from tests.support.fake_server import FakeServer


@functools.cache
def key() -> Tsk:
    return Tsk.generate("Writer <writer@example.org>")


@functools.cache
def signer() -> EntrySigner:
    with tempfile.NamedTemporaryFile(suffix=".asc") as file:
        Path(file.name).write_bytes(bytes(key()))
        return EntrySigner(Path(file.name), "")


@dataclass
class Behaviour:
    """What goes wrong: numbers of requests of a kind that are still to be refused, or dropped when under way."""

    refuse: dict[str, int] = field(default_factory=dict)
    drop: dict[str, int] = field(default_factory=dict)
    drop_after: dict[str, int] = field(default_factory=dict)  #: done, and then dropped
    put_seconds: float = 0  #: how long each second step takes


class FakeMeta(FakeServer):
    """``values`` by pointer; ``writes`` in order; ``parallel_puts`` is the most that were seen at once."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, Any] = {}
        self.writes: list[tuple[str, Any, dict[str, str]]] = []
        self.behaviour = Behaviour()
        self.parallel_puts = 0
        self.posts: list[str] = []
        self._puts = 0
        self._lock = threading.Lock()

    def clear(self) -> None:
        self.values, self.writes, self.behaviour, self.parallel_puts, self.posts = {}, [], Behaviour(), 0, []

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str] | None:
        if _counted(self.behaviour.drop, method):
            return None
        answer = (500, "") if _counted(self.behaviour.refuse, method) else self._do(method, path[1:], headers, body)
        return None if _counted(self.behaviour.drop_after, method) else answer

    def _do(self, method: str, pointer: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        if not re.fullmatch("[0-9a-fA-F]{64}/?", pointer):
            return 400, ""
        if method == "GET":
            return self.get(pointer)
        return self.post(pointer, body) if method == "POST" else self.put(pointer, body, headers)

    def get(self, pointer: str) -> tuple[int, str]:
        return (200, json.dumps(self.values[pointer])) if pointer in self.values else (404, "")

    def post(self, pointer: str, body: bytes) -> tuple[int, str]:
        """The real server ends when a text is written onto a text: here that is refused, and seen."""
        self.posts.append(pointer)
        if isinstance(self.values.get(pointer), str):
            return 500, ""
        digest = base64.b64encode(body).decode()
        return 200, json.dumps({"name": "cic", "payload": json.loads(body), "digest": digest})

    def put(self, pointer: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        with self._lock:
            self._puts += 1
            self.parallel_puts = max(self.parallel_puts, self._puts)
        try:
            time.sleep(self.behaviour.put_seconds)
            document = json.loads(body)
            signature = document["s"]
            envelope = json.loads(document["m"])
            checked = verify(signature["data"].encode(), lambda _: [key().extract_certificate()])
            if bytes(checked.bytes).decode() != envelope["digest"] or signature["digest"] != envelope["digest"]:
                return 403, ""
            self.values[pointer] = envelope["payload"]
            self.writes.append((pointer, envelope["payload"], headers))
            return 200, ""
        finally:
            with self._lock:
                self._puts -= 1


def _counted(left: dict[str, int], method: str) -> bool:
    if left.get(method, 0) <= 0:
        return False
    left[method] -= 1
    return True
