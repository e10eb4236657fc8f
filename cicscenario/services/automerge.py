"""Documents of Automerge 0.14 in transit-JSON, signed, as cic-meta takes them in one step.

A document is two changes by one actor: the first sets ``id``, ``timestamp`` and ``data``, the second sets ``signature``.
Documents of different actors are merged by the server, and the actor that sorts last wins each key: with the time in
the actor's name, the newest write wins. Source: recordings of an unmodified server, which the tests compare with.
"""

import base64
import json
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

_ROOT = "00000000-0000-0000-0000-000000000000"
#: Of the first part of an actor's name: sorts after nearly every random UUID.
_LAST = "ffffffff"
_ESCAPED = ("~", "^", "`")  # text that begins with one means something in transit

Json = Any


class Actors:
    """Actor names, each sorting after all earlier ones; within a process also when the clock stands still or goes back."""

    def __init__(self) -> None:
        self._latest = 0
        self._lock = threading.Lock()

    def next(self) -> str:
        """A new actor: a UUID of the present time in nanoseconds, and randomness."""
        with self._lock:
            self._latest = now = max(time.time_ns(), self._latest + 1)
        t = f"{now:016x}"
        return f"{_LAST}-{t[:4]}-{t[4:8]}-{t[8:12]}-{t[12:]}{secrets.token_hex(4)}"


class _Operations:
    """Operations of one change, in the order in which the npm client writes them."""

    def __init__(self, actor: str, new_id: Callable[[], str]) -> None:
        self._actor = actor
        self._new_id = new_id
        self.encoded: list[Json] = []
        self.links: list[tuple[str, str]] = []

    def _add(self, action: str, target: str, *rest: Json) -> None:
        self.encoded.append(_map("action", action, "obj", target, *rest))

    def assign(self, target: str, key: str, value: Json) -> None:
        """Sets one key of a map, or one element of a list, to any JSON value."""
        if isinstance(value, dict):
            child = self._made("makeMap")
            for name, item in value.items():
                self.assign(child, name, item)
        elif isinstance(value, list | tuple):
            child = self._made("makeList")
            self._fill(child, value)
        else:
            self._add("set", target, "key", _text(key), "value", _text(value))
            return
        self._add("link", target, "key", _text(key), "value", child)
        self.links.append((target, child))

    def _made(self, action: str) -> str:
        child = self._new_id()
        self._add(action, child)
        return child

    def _fill(self, target: str, items: list[Json] | tuple[Json, ...]) -> None:
        previous = "_head"
        for number, item in enumerate(items, start=1):
            self._add("ins", target, "key", previous, "elem", number)
            previous = f"{self._actor}:{number}"
            self.assign(target, previous, item)


def envelope(
    pointer: bytes,
    value: Json,
    *,
    actor: str,
    timestamp: int,
    sign: Callable[[str], str],
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> bytes:
    """The body of a one-step write: a document of ``value``, signed.

    ``sign`` gets the digest and returns an armored signature; ``timestamp`` is in Unix seconds; ``new_id`` names the
    document's parts.
    """
    first, second = _Operations(actor, new_id), _Operations(actor, new_id)
    first.assign(_ROOT, "id", pointer.hex())
    first.assign(_ROOT, "timestamp", timestamp)
    first.assign(_ROOT, "data", value)
    digest = base64.b64encode(_compact(first.links).encode()).decode()
    second.assign(_ROOT, "signature", signature(sign(digest), digest))
    payload = _list(
        [
            _map(*_change(first, actor, 1), "message", "Initialization", "undoable", False),
            _map(*_change(second, actor, 2), "message", "sign"),
        ]
    )
    whole = {
        "name": "cic",
        "version": "1",
        "ext": {"network": {"name": "pgp", "version": "2"}, "engine": {"name": "automerge", "version": "0.14.1"}},
        "payload": _compact(payload),
        "digest": digest,
    }
    return _compact(whole).encode("ascii")


def signature(armor: str, digest: str) -> dict[str, str]:
    """A signature as both kinds of write carry it."""
    return {"engine": "pgp", "algo": "sha256", "data": armor, "digest": digest}


def _change(operations: _Operations, actor: str, number: int) -> tuple[Json, ...]:
    return ("ops", _list(operations.encoded), "actor", actor, "seq", number, "deps", _map())


def _list(items: list[Json]) -> Json:
    return ["~#iL", items]


def _map(*keys_and_values: Json) -> Json:
    return ["~#iM", list(keys_and_values)]


def _text(value: Json) -> Json:
    return f"~{value}" if isinstance(value, str) and value.startswith(_ESCAPED) else value


def _compact(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"))
