"""A metadata server for tests, as small as can be, that goes wrong in the ways of the real one on demand."""

import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any

from pysequoia import Cert, Sig, verify

from tests.support.fake_server import FakeServer
from tests.support.openpgp_keys import KEYS

_TAGS = frozenset("~^`")  # the first characters of strings that mean something else in Transit
PAUSE = 0.4  #: seconds that the server asks for with 429 and 503


def value_of(document: str) -> tuple[str, Any]:
    """The actor and the value of a one-step document: what its operations build, read back independently."""
    first = _untransit(json.loads(json.loads(document)["payload"])[1][0])
    objects: dict[str, Any] = {"00000000-0000-0000-0000-000000000000": {}}
    for operation in first["ops"]:
        action, target = operation["action"], operation["obj"]
        if action == "makeMap":
            objects[target] = {}
        elif action == "makeList":
            objects[target] = []
        elif action == "ins":
            assert operation["elem"] == len(objects[target]) + 1
            objects[target].append(None)
        else:
            value = objects[operation["value"]] if action == "link" else operation["value"]
            holder = objects[target]
            holder[int(operation["key"].rpartition(":")[2]) - 1 if isinstance(holder, list) else operation["key"]] = (
                value
            )
    return first["actor"], objects["00000000-0000-0000-0000-000000000000"]["data"]


def signature_of(document: str) -> tuple[str, str]:
    """The armored signature in a one-step document, and the text that it is over."""
    second = _untransit(json.loads(json.loads(document)["payload"]))[1]
    fields = {o["key"]: o["value"] for o in second["ops"] if o["action"] == "set"}
    return fields["data"], fields["digest"]


def _untransit(value: Any) -> Any:
    if isinstance(value, list):
        tag, items = value
        plain = [item if isinstance(item, str) and item[:1] not in _TAGS else _untransit(item) for item in items]
        if tag == "~#iL":
            return plain
        assert tag == "~#iM"
        return dict(zip(plain[::2], plain[1::2], strict=True))
    if isinstance(value, str) and value[:1] in _TAGS:
        assert value.startswith("~")
        return value[1:]
    return value


def valid(armor: str, text: str, public: str | None = None) -> bool:
    """Whether a detached signature over the text is by the writer."""
    certificate = Cert.from_bytes((public or (KEYS / "writer.pub.asc").read_text("ascii")).encode())
    try:
        verify(bytes=text.encode(), store=lambda _: [certificate], signature=Sig.from_bytes(armor.encode()))
    except RuntimeError:
        return False
    return True


class StubMeta(FakeServer):
    """``fault`` names what goes wrong with a request; it gets the method and the number of such requests so far."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, tuple[str, Any]] = {}  #: actor and value by pointer
        self.fault: Callable[[str, int], str | None] = lambda method, number: None
        self.requests: list[tuple[str, str, str | None, bytes]] = []  #: method, path, header, body
        self.times: list[tuple[str, float]] = []  #: method and moment
        self.together = 0  #: most PUTs that were under way at a time
        self._putting = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        super().__exit__()

    def bodies(self, method: str) -> list[bytes]:
        return [body for sent, _, _, body in self.requests if sent == method]

    def headers(self, status: int) -> dict[str, str]:
        pause = {"Retry-After": str(PAUSE)} if status in (429, 503) else {}
        return {"Content-Type": "application/json"} | pause

    def announced_length(self, body: bytes) -> int:
        """As the real server counts: the length of UTF-16 text."""
        return len(body.decode().encode("utf-16-le")) // 2

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str] | None:
        header = headers.get("X-CIC-AUTOMERGE")
        fault = self._begin(method, path, header, body)
        try:
            return self._carry_out(method, path[1:], header, body, fault)
        finally:
            self._end(method)  # before the client can know

    def _begin(self, method: str, path: str, header: str | None, body: bytes) -> str | None:
        with self._lock:
            self.requests.append((method, path, header, body))
            self.times.append((method, time.monotonic()))
            if method == "PUT":
                self._putting += 1
                self.together = max(self.together, self._putting)
            return self.fault(method, sum(1 for request in self.requests if request[0] == method))

    def _end(self, method: str) -> None:
        with self._lock:
            self._putting -= method == "PUT"

    def _carry_out(
        self, method: str, pointer: str, header: str | None, body: bytes, fault: str | None
    ) -> tuple[int, str] | None:
        if fault == "slow":
            time.sleep(0.01)
        if fault == "hang":
            self._ended.wait(30)
        if fault == "store and drop":
            self._store(pointer, header, body)
        if fault in ("hang", "drop", "store and drop"):
            return None
        if fault in ("500", "403", "404", "429", "503"):
            return int(fault), ""
        if fault == "not JSON":
            return 200, "<html>"
        if method == "PUT":
            if fault == "late":
                threading.Timer(0.05, self._store, (pointer, header, body)).start()
            elif fault != "lose":
                self._store(pointer, header, body)
            return 200, ""
        return self._prepared(body) if method == "POST" else self._shown(pointer)

    def _prepared(self, body: bytes) -> tuple[int, str]:
        document = {"name": "cic", "payload": json.dumps(json.loads(body), ensure_ascii=False), "digest": "W10="}
        return 200, json.dumps(document, ensure_ascii=False)

    def _shown(self, pointer: str) -> tuple[int, str]:
        if not re.fullmatch("[0-9a-fA-F]{64}/?", pointer):
            return 400, ""
        found = self.values.get(pointer)
        return (200, json.dumps(found[1], ensure_ascii=False)) if found else (404, "")

    def _store(self, pointer: str, header: str | None, body: bytes) -> None:
        if header == "client":
            actor, value = value_of(body.decode())
        else:
            actor, value = "", json.loads(json.loads(json.loads(body)["m"])["payload"])
            present = self.values.get(pointer, ("", None))
            if isinstance(present[1], dict) and isinstance(value, dict):
                actor, value = present[0], present[1] | value
        with self._lock:
            if actor >= self.values.get(pointer, ("", None))[0]:
                self.values[pointer] = (actor, value)
