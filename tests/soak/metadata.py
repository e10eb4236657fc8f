"""The metadata store: entries in memory behind a simulated HTTP connection, in the manner of cic-meta."""

import http.client
import json
from dataclasses import dataclass, field
from typing import Any

from tests.soak.world import AnswerTimeoutError, ConnectionLostError, NoConnectionError, World
from tests.support.stub_meta import value_of

TIMEOUT = 4.0  # seconds, of the product's client
_POINTER = 65  # characters of a path to an entry


class SimMeta:
    """The store. A document replaces an entry unless the entry's actor is later; the phone interface merges."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.entries: dict[str, tuple[str, Any]] = {}

    def merge(self, pointer: bytes, value: Any) -> None:
        """A write of the phone interface's tasker."""
        actor, present = self.entries.get(pointer.hex(), ("", None))
        both = present | value if isinstance(present, dict) and isinstance(value, dict) else value
        self.entries[pointer.hex()] = (actor, both)

    def value(self, pointer: bytes) -> Any:
        return self.entries.get(pointer.hex(), ("", None))[1]

    def answer(self, method: str, path: str, body: bytes | None) -> "MetaAnswer":
        if method == "OPTIONS":
            return MetaAnswer(200, {"Access-Control-Allow-Headers": "X-CIC-AUTOMERGE"})
        if method == "PUT":
            actor, value = value_of((body or b"").decode())
            if actor >= self.entries.get(path[1:], ("", None))[0]:
                self.entries[path[1:]] = (actor, value)
            return MetaAnswer(200)
        if len(path) != _POINTER:
            return MetaAnswer(400)
        found = self.entries.get(path[1:])
        return MetaAnswer(200, body=json.dumps(found[1]).encode()) if found else MetaAnswer(404)


@dataclass
class MetaAnswer:
    """What the product uses of ``http.client.HTTPResponse``."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    reason: str = ""
    will_close: bool = False
    chunked: bool = False
    length: int | None = 0

    def read(self, most: int = -1) -> bytes:
        part, self.body = (self.body, b"") if most < 0 else (self.body[:most], self.body[most:])
        return part

    def getheader(self, name: str, default: str | None = None) -> str | None:
        return self.headers.get(name, default)


class SimMetaConnection:
    """What the product uses of ``http.client.HTTPConnection``."""

    def __init__(self, meta: SimMeta) -> None:
        self._meta = meta
        self._request: tuple[str, str, bytes | None] = ("", "", None)

    def request(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> None:
        self._request = (method, path, body)

    def getresponse(self) -> MetaAnswer:
        method, path, body = self._request
        try:
            return self._meta.world.exchange(f"meta {method}", lambda: self._meta.answer(method, path, body), TIMEOUT)
        except NoConnectionError as error:
            raise ConnectionRefusedError(111, str(error)) from None
        except ConnectionLostError:
            raise http.client.RemoteDisconnected("Remote end closed connection without response") from None
        except AnswerTimeoutError:
            raise TimeoutError("timed out") from None

    def close(self) -> None:
        pass


class SimSigner:
    """Stands for ``OpenPgpSigner``: what real signatures need is tested elsewhere, and takes most of a run's time."""

    fingerprint = "00"

    def __init__(self, *_: object) -> None:
        pass

    def sign(self, text: str) -> str:
        return "signature"
