"""Reads of the metadata server, repeated while they fail, and what it says about itself. Nothing here changes anything."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from cicscenario.address import public
from cicscenario.errors import UnavailableError
from cicscenario.printable import foreign
from cicscenario.services.metaerrors import NoReplyError, UnreadableEntryError
from cicscenario.services.metahttp import MetaConnections, MetaReply, NoAnswerError
from cicscenario.services.metaprobe import is_cic_meta

_AGAIN = (408, 425, 429)  # HTTP statuses below 500 after which the same request may be answered
_NOBODY = bytes(32)  # a pointer without an entry
_HISTORY = {"X-CIC-AUTOMERGE": "client"}  # asks for an entry with its history, which an immutable one does not have


class MetaReads:
    """Reads from one server. ``pauses`` are the seconds before each attempt."""

    def __init__(self, http: MetaConnections, stopping: threading.Event | None, pauses: Sequence[float]) -> None:
        self._http = http
        self._stopping = stopping
        self._pauses = pauses

    def get(self, pointer: bytes) -> Any | None:
        """The value at a pointer, or None. Raises UnreadableEntryError and NoReplyError."""
        reply = self._read(pointer, lambda reply: _is_absent(reply) or _is_value(reply))
        if _is_absent(reply):
            return None
        if _is_value(reply):
            return reply.value
        raise UnreadableEntryError(
            f"metadata server {self._http.server} answers {pointer.hex()} with {self._http.redact(_shown(reply))}",
            hint="it runs, but is not well: does cic-meta reach its database, and what does its log say?"
            if reply.status >= 500
            else None,
        )

    def check(self) -> None:
        """Raises UnavailableError when the server does not answer, is not well, or is not cic-meta."""
        try:
            self.get(_NOBODY)
            known = self._try(lambda: is_cic_meta(self._http))
        except UnreadableEntryError as error:
            error.hint = error.hint or "is `meta.url` in the environment file that of cic-meta?"
            raise
        if not known:
            raise UnavailableError(
                f"{self._http.server} answers, but it is not cic-meta: it does not know the header X-CIC-AUTOMERGE, and answers"
                " what is not a pointer like a pointer without an entry",
                hint="is `meta.url` in the environment file that of cic-meta, and does a proxy before it pass on the paths?",
            )

    def is_well(self) -> bool:
        """Whether the server can look up an entry, though it may be one that does not exist."""
        try:
            self.get(_NOBODY)
        except UnavailableError:
            return False
        return True

    def is_immutable(self, pointer: bytes) -> bool:
        """Whether an entry that is there is immutable. Raises UnavailableError.

        Source: cic-meta answers 500 to a request for the history of an immutable entry. So it is asked as often as an entry
        that cannot be read, and is well otherwise.
        """
        reply = self._read(pointer, lambda reply: reply.status == 200, _HISTORY)
        return reply.status == 500 and self.is_well()

    def _read(
        self, pointer: bytes, good: Callable[[MetaReply], bool], headers: dict[str, str] | None = None
    ) -> MetaReply:
        """GET, repeated until the reply is good, or cannot become good. Raises NoReplyError when none comes."""
        attempts = self._http.meter.attempts(self._stopping, self._pauses, always_once=True)
        reply: MetaReply | None = None
        last = ""
        for _ in attempts:
            try:
                reply = self._http.read(f"/{pointer.hex()}", headers)
            except NoAnswerError as error:
                reply, last = None, str(error)
                if error.lasting:
                    break
                attempts.failed(f"metadata server {self._http.server}: {last}")
                continue
            if good(reply) or (300 <= reply.status < 500 and reply.status not in _AGAIN and reply.status != 404):
                break
            attempts.failed(f"metadata server {self._http.server} answered {reply}", reply.retry_after)
        if reply is None:
            raise self._no_reply(last)
        return reply

    def _try(self, ask: Callable[[], bool]) -> bool:
        last = ""
        attempts = self._http.meter.attempts(self._stopping, self._pauses)
        for _ in attempts:
            try:
                return ask()
            except NoAnswerError as error:
                last = str(error)
                if error.lasting:
                    break
                attempts.failed(f"metadata server {self._http.server}: {last}")
        raise self._no_reply(last)

    def _no_reply(self, last: str) -> NoReplyError:
        return NoReplyError(
            f"metadata server {self._http.server} does not answer: {last}",
            hint="is cic-meta running, and is `meta.url` in the environment file right?",
        )


def _is_absent(reply: MetaReply) -> bool:
    """cic-meta says 404 without a body. A proxy that does not reach cic-meta says it with a page."""
    return reply.status == 404 and not reply.body


def _is_value(reply: MetaReply) -> bool:
    """cic-meta never keeps null."""
    return reply.status == 200 and reply.value is not None


def _shown(reply: MetaReply) -> str:
    if reply.status == 404:
        return f"404 and a page, where cic-meta sends none: {foreign(repr(reply.body), 100)}"
    if 300 <= reply.status < 400:
        return f"{reply}, a redirect to {foreign(public(reply.headers.get('location', '')))}"
    if reply.status != 200:
        return str(reply)
    if reply.is_json:
        return "null, which cic-meta keeps nowhere"
    kind = foreign(reply.headers.get("content-type", "no type"), 80)
    return f"what is not JSON ({kind}): {foreign(repr(reply.body), 100)}"
