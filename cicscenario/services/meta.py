"""Client of cic-meta, the metadata store: JSON values by 32-byte pointer, signed.

The server loses all but one of the writes that arrive at the same time, and answers before it has stored a value. So the
client sends one write at a time, with a short timeout, and reads the value back. When it is not there, the very same bytes
are sent again, which changes nothing if they have arrived. See ``people/pointer.py`` for the pointers.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar

from cicscenario.boundaries import Boundary
from cicscenario.errors import CicScenarioError, InvalidError, StepFailedError, UnavailableError
from cicscenario.jsontext import parse_json
from cicscenario.retry import Attempts, pause
from cicscenario.services.automerge import Actors, envelope, signature
from cicscenario.services.jsonvalues import contains, equal_entry, refuse_unfit
from cicscenario.services.metaerrors import (
    NoReplyError,
    immutable,
    keys_expired,
    more_keys,
    not_replaced,
    read_back_failed,
)
from cicscenario.services.metahttp import MetaAddress, MetaConnections, MetaReply, NoAnswerError
from cicscenario.services.metamany import many
from cicscenario.services.metareads import MetaReads
from cicscenario.services.openpgp import OpenPgpSigner
from cicscenario.transport.traffic import Meter
from cicscenario.wording import counted

WriteOutcome = Literal["written", "present"]
Turn = Callable[[], AbstractContextManager[None]]
_PREPARE = Boundary("meta.prepare")  # the server makes a document, and stores nothing
_STORE = Boundary("meta.store")
_T = TypeVar("_T")

#: Seconds before each attempt; together twice as long as cic-meta takes to start (3.3 seconds).
PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0, 3.0)
_LOOKS = (0.0, 0.01, 0.03, 0.1, 0.3)  # seconds before each attempt to read a value back; some are late by milliseconds

_TOO_MANY = 429  # HTTP status: the server, or a proxy before it, has not carried out the request
_TURN = 0.2  # seconds of waiting for one's turn to write before looking whether the run is stopped

_actors = Actors()
_writing: dict[MetaAddress, threading.Lock] = {}
_writing_guard = threading.Lock()


class _NotLooked:
    """Nobody has looked yet what an entry is."""


NOT_LOOKED: Final = _NotLooked()


@dataclass(frozen=True)
class Wanted:
    """An entry to have in the store.

    ``present`` is what is there, where that is known already: a value, or None for nothing. Then it is not looked up first.
    With ``keeps`` another value is not replaced in one step, but given. ``turn`` is entered around each write, for which
    writers of other processes wait; it raises InterruptedRunError when nothing is to be written any more.
    """

    pointer: bytes
    value: Any
    present: Any | _NotLooked | None = NOT_LOOKED
    keeps: bool = False
    turn: Turn = nullcontext


@dataclass(frozen=True)
class Another:
    """Another value than the wanted one is there, and was not replaced."""

    present: Any


def _writer_lock(server: MetaAddress) -> threading.Lock:
    """The lock that all writers of this process to one server share."""
    with _writing_guard:
        return _writing.setdefault(server, threading.Lock())


class MetaClient:
    """A metadata server. Safe for use by many threads: reads run in parallel, writes one after the other.

    ``key`` is the text of an armored private key; without one, nothing can be written. ``mode`` says how values are
    written: ``one-step`` replaces a value, ``two-step`` is the server's own merge, as cic-ussd writes. ``timeout`` is
    in seconds for each request; the server never answers a write that it has lost. Raises InvalidError for a bad URL.
    ``ca`` is a PEM file of authorities to trust beside the public ones.

    ``pauses`` are the seconds before each attempt at a request, ``looks`` those before each look for a value that the server
    said it stores. Within a second after ``stopping`` is set, every method raises InterruptedRunError; writing again is safe.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        passphrase: str | None = None,
        mode: Literal["one-step", "two-step"] = "one-step",
        timeout: float = 4,
        stopping: threading.Event | None = None,
        pauses: Sequence[float] = PAUSES,
        looks: Sequence[float] = _LOOKS,
        ca: Path | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._server = MetaAddress.parse(url)
        self._stopping = stopping
        self._pauses = pauses
        self._looks = looks
        self._http = MetaConnections(self._server, timeout, stopping, ca, meter=meter)
        self._reads = MetaReads(self._http, stopping, pauses)
        self._key = key
        self._passphrase = passphrase
        self._mode = mode
        self._opened: OpenPgpSigner | None = None
        self._opening = threading.Lock()
        self._writer = _writer_lock(self._server)
        self._has_stored = False
        self._seen_away = False

    @property
    def was_away(self) -> bool:
        """Whether any request so far got no answer: the server may have been started again, with less than it had."""
        return self._http.unanswered > 0 or self._seen_away

    def seen_away(self) -> None:
        """Another process that asks the same server got no answer."""
        self._seen_away = True

    @property
    def address(self) -> str:
        """The server, without what may be or hold a key."""
        return str(self._server)

    @property
    def requests(self) -> dict[str, int]:
        """How many requests were sent so far, by method."""
        return dict(self._http.sent)

    def close(self) -> None:
        """Closes idle connections; the client can still be used. Leaving a ``with`` block does it, too."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check(self) -> None:
        """Asks whether cic-meta answers and, if there is a key, whether it can sign. Writes nothing.

        Raises UnavailableError, also for a server that is not cic-meta, or InvalidError for the key.
        """
        if self._key is not None:
            self._signer()
        self._reads.check()

    def get(self, pointer: bytes) -> Any | None:
        """The value at a pointer, or None when there is none.

        Raises UnreadableEntryError when the server answers, but not with the entry, and other UnavailableErrors when it does
        not answer.
        """
        return self._reads.get(pointer)

    def get_many(self, pointers: Sequence[bytes], *, threads: int = 4) -> list[Any | CicScenarioError | None]:
        """Values in the order of the pointers, None where there is none, and an error for an entry that cannot be read.

        Raises UnavailableError, without trying the rest, when the server itself is not well.
        """
        found: list[Any | CicScenarioError | None] = [None] * len(pointers)
        for index, value in self._many(pointers, self.get, threads):
            found[index] = value
        return found

    def are_immutable(self, pointers: Sequence[bytes], *, threads: int = 4) -> list[bool | CicScenarioError]:
        """Whether entries that are there are immutable, in the order of the pointers; an error where that cannot be told.

        Raises UnavailableError, without trying the rest, when the server itself is not well.
        """
        found: list[bool | CicScenarioError] = [False] * len(pointers)
        for index, value in self._many(pointers, self._reads.is_immutable, threads):
            found[index] = value
        return found

    def put(self, pointer: bytes, value: Any) -> None:
        """Writes a value, and returns when it can be read.

        In two steps an object onto an object adds and replaces keys and removes none; the entry then has all of
        ``value``. Raises InvalidError, before anything is sent, for values that the server cannot keep and for two-step
        writes that would kill it; UnavailableError when the value does not arrive; StepFailedError when it is refused.
        """
        refuse_unfit(value)
        if self._mode == "one-step":
            self._put_one_step(pointer, value)
        else:
            present = self.get(pointer)
            self._refuse_fatal_merge(pointer, present, value)
            self._put_two_step(pointer, value)

    def ensure(self, wanted: Wanted) -> WriteOutcome | Another:
        """Has the entry in the store: writes it unless it is there, or unless another value is and is kept.

        Raises as ``put`` and ``get`` do. Raises StepFailedError for an immutable entry with another value, and when in two-step
        mode the entry keeps keys that the value does not have.
        """
        pointer, value = wanted.pointer, wanted.value
        refuse_unfit(value)
        present = self.get(pointer) if wanted.present is NOT_LOOKED else wanted.present
        if equal_entry(present, value):
            return "present"
        if present is not None:
            self._refuse_immutable(pointer)
        if self._mode == "one-step":
            if present is not None and wanted.keeps:
                return Another(present)
            self._put_one_step(pointer, value, wanted.turn)
            return "written"
        self._refuse_fatal_merge(pointer, present, value)
        if not contains(present, value):
            self._put_two_step(pointer, value, wanted.turn)
        if isinstance(present, dict) and (more := sorted(present.keys() - value.keys())):
            raise more_keys(pointer, more)
        return "written"

    def ensure_many(
        self, entries: Iterable[Wanted], *, threads: int = 4
    ) -> Iterator[tuple[int, WriteOutcome | Another | CicScenarioError]]:
        """``ensure`` for each entry: (its number, its outcome or error), as soon as each has ended.

        Reads and signatures run in parallel with the one write that is under way. When the run is stopped, or the server takes
        no more writes, no further entry begins; then InterruptedRunError or UnavailableError is raised at the end.
        """
        return self._many(list(entries), self.ensure, threads)

    def _many(
        self, items: Sequence[_T], call: Callable[[_T], Any], threads: int
    ) -> Iterator[tuple[int, Any | CicScenarioError]]:
        return many(items, call, threads=threads, is_well=self._reads.is_well, stopping=self._stopping)

    def _signer(self) -> OpenPgpSigner:
        with self._opening:
            if self._opened is None:
                if self._key is None:
                    raise InvalidError("metadata cannot be written without a key", hint="set `meta.key`")
                self._opened = OpenPgpSigner(self._key, self._passphrase)
            return self._opened

    # --- before writing -----------------------------------------------------------------------------------------

    def _refuse_immutable(self, pointer: bytes) -> None:
        """The server ends when an immutable entry is written to. It gives the value of such an entry, but not its history."""
        if self._reads.is_immutable(pointer):
            raise immutable(self._server, pointer)

    def _refuse_fatal_merge(self, pointer: bytes, present: Any | None, value: Any) -> None:
        """The server merges an object into an object; anything else onto something does nothing, harm, or kills it."""
        if present is not None and not (isinstance(present, dict) and isinstance(value, dict)):
            raise not_replaced(pointer)

    # --- writing ------------------------------------------------------------------------------------------------

    def _put_one_step(self, pointer: bytes, value: Any, turn: Turn = nullcontext) -> None:
        sign = self._signer().sign
        body = envelope(pointer, value, actor=_actors.next(), timestamp=int(time.time()), sign=sign)
        self._deliver("client", pointer, value, body, turn)

    def _put_two_step(self, pointer: bytes, value: Any, turn: Turn = nullcontext) -> None:
        document, digest = self._proposal(pointer, value)
        body = json.dumps({"m": document, "s": signature(self._signer().sign(digest), digest)}).encode()
        self._deliver("server", pointer, value, body, turn)

    def _proposal(self, pointer: bytes, value: Any) -> tuple[str, str]:
        """The document that the server makes of a value, and its digest. Nothing is stored."""
        last = ""
        attempts = self._http.meter.attempts(self._stopping, self._pauses)
        for _ in attempts:
            try:
                with _PREPARE:
                    reply = self._http.request(
                        "POST", f"/{pointer.hex()}", json.dumps(value).encode(), _headers("server"), to_end=True
                    )
                attempts.failed(f"{self._server} did not prepare an entry: it answered {reply}", reply.retry_after)
                document = reply.body.decode()
                digest = parse_json(document)["digest"]
                if reply.status == 200 and isinstance(digest, str):
                    return document, digest
                last = str(reply)
            except NoAnswerError as error:
                last = str(error)
                attempts.failed(f"{self._server} did not prepare an entry: {last}")
            except (ValueError, LookupError, TypeError):
                last = "what is not a document" if reply.status == 200 else str(reply)
        raise UnavailableError(f"metadata server {self._server} does not prepare {pointer.hex()}: {last}")

    def _deliver(self, header: str, pointer: bytes, value: Any, body: bytes, turn: Turn) -> None:
        """Sends the same bytes until the value can be read back."""
        last, taken, other = "", 0, False
        attempts = self._http.meter.attempts(self._stopping, self._pauses)
        for _ in attempts:
            try:
                with self._turn(), turn(), _STORE:
                    reply = self._http.request("PUT", f"/{pointer.hex()}", body, _headers(header))
                last = f"it answered {reply}, and the value was not there afterwards"
            except NoAnswerError as error:
                reply, last = None, str(error)
            attempts.failed(f"{self._server} did not store an entry: {last}", reply.retry_after if reply else None)
            if reply is not None:
                self._refuse_refusal(pointer, reply)
                if reply.status == _TOO_MANY:
                    continue  # it was not carried out
                taken += reply.status == 200
                other |= reply.status != 200
            found = self._look_for(pointer, value, reply)
            if self._arrived(found, value):
                self._has_stored = True
                return
            other |= found is not None
        if taken > 1 and not other and not self._has_stored:
            raise keys_expired(
                self._server,
                f"did not store {pointer.hex()}: it answered 200 to {taken} writes of it, and stored nothing",
            )
        raise UnavailableError(
            f"metadata server {self._server} did not store {pointer.hex()} in {counted(attempts.number, 'attempt')}: {last}",
            hint="does it run and trust the key? does somebody else write there, or is this machine's clock behind?",
        )

    def _refuse_refusal(self, pointer: bytes, reply: MetaReply) -> None:
        if 400 <= reply.status < 500 and reply.status != _TOO_MANY:
            raise StepFailedError(
                f"metadata server {self._server} refuses to store {pointer.hex()}: {reply}",
                hint=f"does the metadata server trust the key {self._signer().fingerprint}?",
            )

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The block is the only write to this server by this process."""
        while not self._writer.acquire(timeout=_TURN):
            pause(0, self._stopping)
        try:
            yield
        finally:
            self._writer.release()

    def _look_for(self, pointer: bytes, value: Any, reply: MetaReply | None) -> Any | None:
        """What is there after a write; looks more than once when the server said that it stores it."""
        patient = reply is not None and reply.status == 200
        found = None
        try:
            pauses = self._looks if patient else self._looks[:1]
            looks = Attempts(self._stopping, pauses, always_once=True, repeats=self._http.meter.repeats)
            for _ in looks:
                found = self.get(pointer)
                if self._arrived(found, value):
                    break
                looks.failed(f"{self._server} said that it stores an entry, and does not give it yet")
        except NoReplyError:
            if patient and self._mode == "two-step" and not self._has_stored:
                seen = f"answered 200 to the write of {pointer.hex()}, and then did not answer any more"
                raise keys_expired(self._server, seen) from None
            raise
        except UnavailableError as error:
            raise read_back_failed(self._server, pointer, error) if patient else error from None
        return found

    def _arrived(self, present: Any | None, value: Any) -> bool:
        if self._mode == "two-step" and isinstance(value, dict):
            return contains(present, value)
        return equal_entry(present, value)


def _headers(mode: str) -> dict[str, str]:
    return {"X-CIC-AUTOMERGE": mode, "Content-Type": "application/json"}
