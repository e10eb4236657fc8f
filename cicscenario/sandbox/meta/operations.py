"""The six operations on entries. Source: cic-meta, ``scripts/server/handlers.ts``, and crdt-meta.

Each returns an Answer, or raises CrashError where the real server crashes. Status 500 is for errors that it catches.
"""

import hashlib
import time
from collections.abc import Callable
from typing import Any

from cicscenario.sandbox.meta import jsjson
from cicscenario.sandbox.meta.answers import Answer, CrashError
from cicscenario.sandbox.meta.document import UNDEFINED, Document, envelope
from cicscenario.sandbox.meta.faults import MetaFaults
from cicscenario.sandbox.meta.opset import DocumentError
from cicscenario.sandbox.meta.signatures import TrustedKeys, Verdict
from cicscenario.sandbox.meta.store import EntryStore, StoredEntry

_DONE = Answer(200)
_FORBIDDEN = Answer(403)
_MISSING = Answer(404)
_FAILED = Answer(500)
_DEFAULT_MIME = "application/octet-stream"
#: The real server does not escape quotes in SQL, and PostgreSQL refuses a zero byte.
_UNSTORABLE = ("'", "\0")


class Operations:
    """The operations on the entries of ``store``. ``now`` gives the time in seconds since 1970."""

    def __init__(
        self,
        store: EntryStore,
        trust: TrustedKeys,
        faults: MetaFaults,
        now: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        self._store = store
        self._trust = trust
        self._faults = faults
        self._now = now
        self._last_digest: str | None = None  # the real server reuses one envelope object, which keeps the last digest

    def get_value(self, pointer: str) -> Answer:
        """The data of a document, or the bytes of an immutable entry."""
        entry = self._store.get(pointer)
        if entry is None:
            return _MISSING
        if entry.immutable:
            return Answer(200, entry.content, entry.mime or _DEFAULT_MIME)
        return _MISSING if entry.value is None else Answer(200, entry.value)

    def get_envelope(self, pointer: str) -> Answer:
        """A document with all its changes, as an envelope."""
        entry = self._store.get(pointer)
        if entry is None:
            return _MISSING
        try:
            document = _load(entry)
            return Answer(200, envelope(document.payload(), self._last_digest))
        except DocumentError:
            return _FAILED

    def build(self, pointer: str, body: bytes) -> Answer:
        """The first step of a write: gives the document that the client must sign, as an envelope. Stores nothing."""
        try:
            value = jsjson.loads(body)
        except ValueError:
            return _FAILED
        entry = self._store.get(pointer)
        try:
            if entry is None:
                document = Document.create(pointer, value, self._now())
            else:
                document = _load(entry)
                document.replace(value, self._now())
            digest = document.digest()
            document.sign({"digest": digest})
            payload = document.payload()
        except (DocumentError, RecursionError) as error:
            raise CrashError(str(error)) from None
        self._last_digest = digest
        return Answer(200, envelope(payload, digest))

    def put_signed(self, pointer: str, body: bytes) -> Answer:
        """The second step of a write: stores the document of ``build`` with its signature; replaces an existing one."""
        try:
            document, signature = _signed(body)
        except (ValueError, RecursionError):
            return _FAILED
        if document is None:
            return _DONE
        try:
            document.sign(signature)
        except DocumentError:
            return _FAILED

        return self._accept(document, lambda: self._write(pointer, document), fatal_if_expired=True)

    def put_document(self, pointer: str, body: bytes) -> Answer:
        """Stores a document that the client has made, merged with an existing one."""
        try:
            document = Document.load(_member(jsjson.loads(body), "payload"))
        except (ValueError, DocumentError, RecursionError):
            return _FORBIDDEN
        signature = document.field("signature")
        if signature is UNDEFINED or signature is None:
            return _FAILED

        def store() -> None:
            entry = self._store.get(pointer)
            if (merged := document.merge_into(_load(entry)) if entry else document) is not None:
                self._write(pointer, merged)

        return self._accept(document, store, fatal_if_expired=False)

    def post_immutable(self, pointer: str | None, body: bytes, mime: str | None) -> Answer:
        """Stores bytes under their hash, and gives the hash. Gives 500 when ``pointer`` is not that hash."""
        hashed = hashlib.sha256(body).hexdigest()
        if pointer not in (None, hashed):
            return _FAILED
        if self._store.get(hashed) is not None:
            return Answer(200, hashed)
        mime = _DEFAULT_MIME if mime is None else mime
        if self._faults.expired_key or any(character in mime for character in _UNSTORABLE):
            return _FAILED
        self._store.put_immutable(hashed, body, mime)
        return Answer(201, hashed)

    def _accept(self, document: Document, store: Callable[[], None], *, fatal_if_expired: bool) -> Answer:
        """Stores a document, as the real server does even when its signature is invalid.

        When storing crashes the server, an invalid signature means that the client gets its answer before the crash.
        """
        verdict = self._trust.check(document.field("signature"))
        if verdict is Verdict.FATAL:
            raise CrashError("the signature is OpenPGP data, but not a signature")
        if verdict is Verdict.INVALID and self._faults.strict:
            return _FORBIDDEN
        if self._faults.expired_key:
            return Answer(200, fatal=fatal_if_expired)
        try:
            store()
        except (DocumentError, RecursionError) as error:
            if verdict is Verdict.INVALID:
                return Answer(200, fatal=True)
            raise CrashError(str(error)) from None
        return _DONE

    def _write(self, pointer: str, document: Document) -> None:
        value = document.field("data")
        payload = document.payload()
        self._store.put_document(pointer, payload, None if value is UNDEFINED else jsjson.dumps(value))


def _load(entry: StoredEntry) -> Document:
    return Document.load(entry.content.decode("utf-8", "replace"))


def _signed(body: bytes) -> tuple[Document | None, Any]:
    """Document and signature in the body of a two-step PUT; the document is None if its payload is wrong.

    Raises ValueError when the body itself is wrong.
    """
    request = jsjson.loads(body)
    if request is None:
        raise ValueError("null has no members")
    signature = _member(request, "s")
    if signature in (UNDEFINED, None):
        raise ValueError("no signature")
    wrapped = jsjson.loads(_as_text(_member(request, "m")))
    try:
        return Document.load(_member(wrapped, "payload")), signature
    except DocumentError:
        return None, signature


def _member(value: Any, name: str) -> Any:
    return value.get(name, UNDEFINED) if isinstance(value, dict) else UNDEFINED


def _as_text(value: Any) -> str:
    """The text into which JavaScript's ``JSON.parse`` converts its argument before it parses it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ",".join("" if member is None else _as_text(member) for member in value)
    if isinstance(value, dict):
        return "[object Object]"
    return "undefined" if value is UNDEFINED else jsjson.dumps(value)
