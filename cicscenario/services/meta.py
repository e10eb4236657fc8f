"""Client of cic-meta, the metadata store: JSON values by 32-byte pointer, signed.

The server loses all but one of the writes that arrive at the same time, and answers before it has stored a value. So the
client sends one write at a time, with a short timeout, and reads the value back. When it is not there, the very same bytes
are sent again, which changes nothing if they have arrived. See ``people/pointer.py`` for the pointers.
"""

import json
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

from cicscenario.errors import (
    CicScenarioError,
    InterruptedRunError,
    InvalidError,
    StepFailedError,
    UnavailableError,
)
from cicscenario.retry import PAUSES, Attempts, pause
from cicscenario.services.automerge import Actors, envelope, signature
from cicscenario.services.circuit import CircuitBreaker
from cicscenario.services.jsonvalues import contains, refuse_unfit, same
from cicscenario.services.metahttp import MetaAddress, MetaConnections, MetaReply, NoAnswerError
from cicscenario.services.openpgp import OpenPgpSigner

WriteOutcome = Literal["written", "present"]

_LOOKS = (0.0, 0.01, 0.03, 0.1, 0.3)  # seconds before each attempt to read a value back; some are late by milliseconds

_TOO_MANY = 429  # HTTP status: the server, or a proxy before it, has not carried out the request
_TURN = 0.2  # seconds of waiting for one's turn to write before looking whether the run is stopped
_LOST = 8  # failed entries in a row, after which no more are tried; a single one may fail for a reason of its own

_actors = Actors()
_writing: dict[MetaAddress, threading.Lock] = {}
_writing_guard = threading.Lock()


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
    ) -> None:
        self._server = MetaAddress.parse(url)
        self._stopping = stopping
        self._pauses = pauses
        self._looks = looks
        self._http = MetaConnections(self._server, timeout, stopping, ca)
        self._key = key
        self._passphrase = passphrase
        self._mode = mode
        self._opened: OpenPgpSigner | None = None
        self._opening = threading.Lock()
        self._writer = _writer_lock(self._server)

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
        """Asks whether the server answers and, if there is a key, whether it can sign. Writes nothing.

        Raises UnavailableError, or InvalidError for the key.
        """
        if self._key is not None:
            self._signer()
        reply = self._read(bytes(32))
        if reply.status not in (200, 404):
            raise UnavailableError(
                f"{self._server} answers a look-up with {_status(reply)}: it is not a metadata server, or is not well",
                hint="is `meta.url` in the environment file that of cic-meta, and does cic-meta reach its database?",
            )

    def get(self, pointer: bytes) -> Any | None:
        """The value at a pointer, or None when there is none. Raises UnavailableError."""
        reply = self._read(pointer)
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise UnavailableError(f"metadata server {self._server} answers {pointer.hex()} with {_status(reply)}")
        try:
            value = json.loads(reply.body)
        except (ValueError, RecursionError):
            wrong = f"with what is not JSON: {reply.body!r:.100}"
            raise UnavailableError(f"metadata server {self._server} answers {pointer.hex()} {wrong}") from None
        if value is None:  # does not mean that there is nothing
            raise UnavailableError(
                f"metadata server {self._server} answers {pointer.hex()} with null, which cic-meta keeps nowhere"
            )
        return value

    def get_many(self, pointers: Sequence[bytes], *, threads: int = 4) -> list[Any | None]:
        """Values in the order of the pointers, None where there is none. Raises the first error."""
        with ThreadPoolExecutor(threads, "meta") as pool:
            return list(pool.map(self.get, pointers))

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
            self._put_two_step(pointer, value, self.get(pointer))

    def ensure(self, pointer: bytes, value: Any) -> WriteOutcome:
        """Writes a value unless it is there. Raises as ``put`` does."""
        refuse_unfit(value)
        present = self.get(pointer)
        if self._arrived(present, value):
            return "present"
        if self._mode == "one-step":
            self._put_one_step(pointer, value)
        else:
            self._put_two_step(pointer, value, present)
        return "written"

    def ensure_many(
        self, entries: Iterable[tuple[bytes, Any]], *, threads: int = 4
    ) -> list[WriteOutcome | CicScenarioError]:
        """``ensure`` for each entry: outcomes in their order, with the error in its place where there was one.

        Reads and signatures run in parallel with the one write that is under way. Raises UnavailableError, without trying the
        rest, when the server takes no more writes.
        """
        circuit = CircuitBreaker(_LOST)

        def one(entry: tuple[bytes, Any]) -> WriteOutcome | CicScenarioError:
            if error := circuit.open:
                raise error
            try:
                end: WriteOutcome | CicScenarioError = self.ensure(*entry)
            except UnavailableError as error:
                circuit.failed(error)
                return error
            except InterruptedRunError:
                raise
            except CicScenarioError as error:
                end = error
            circuit.succeeded()
            return end

        with ThreadPoolExecutor(threads, "meta") as pool:
            return list(pool.map(one, entries))

    def _signer(self) -> OpenPgpSigner:
        with self._opening:
            if self._opened is None:
                if self._key is None:
                    raise InvalidError("metadata cannot be written without a key", hint="set `meta.key`")
                self._opened = OpenPgpSigner(self._key, self._passphrase)
            return self._opened

    def _read(self, pointer: bytes) -> MetaReply:
        """GET, repeated after no answer, a server error, or a request of the server to wait."""
        last, answered = "", False
        attempts = Attempts(self._stopping, self._pauses)
        for _ in attempts:
            try:
                reply = self._http.read(f"/{pointer.hex()}")
            except NoAnswerError as error:
                last, answered = str(error), False
                continue
            if reply.status < 500 and reply.status != _TOO_MANY:
                return reply
            attempts.after(reply.retry_after)
            last, answered = _status(reply), True
        raise self._no_reply(last, answered)

    def _no_reply(self, last: str, answered: bool) -> UnavailableError:
        if answered:
            return UnavailableError(
                f"metadata server {self._server} answers a look-up with {last}",
                hint="it runs, but is not well: does cic-meta reach its database, and what does its log say?",
            )
        return UnavailableError(
            f"metadata server {self._server} does not answer: {last}",
            hint="is cic-meta running, and is `meta.url` in the environment file right?",
        )

    def _put_one_step(self, pointer: bytes, value: Any) -> None:
        sign = self._signer().sign
        body = envelope(pointer, value, actor=_actors.next(), timestamp=int(time.time()), sign=sign)
        self._deliver("client", pointer, value, body)

    def _put_two_step(self, pointer: bytes, value: Any, present: Any | None) -> None:
        _refuse_fatal_merge(pointer, present, value)
        document = self._proposal(pointer, value)
        digest = json.loads(document)["digest"]
        body = json.dumps({"m": document, "s": signature(self._signer().sign(digest), digest)}).encode()
        self._deliver("server", pointer, value, body)

    def _proposal(self, pointer: bytes, value: Any) -> str:
        """The document that the server makes of a value, without storing anything."""
        last = ""
        attempts = Attempts(self._stopping, self._pauses)
        for _ in attempts:
            try:
                reply = self._http.request(
                    "POST", f"/{pointer.hex()}", json.dumps(value).encode(), _headers("server"), to_end=True
                )
                attempts.after(reply.retry_after)
                document = reply.body.decode()
                if reply.status == 200 and isinstance(json.loads(document)["digest"], str):
                    return document
                last = _status(reply)
            except NoAnswerError as error:
                last = str(error)
            except (ValueError, LookupError, TypeError):
                last = "what is not a document" if reply.status == 200 else _status(reply)
        raise UnavailableError(f"metadata server {self._server} does not prepare {pointer.hex()}: {last}")

    def _deliver(self, header: str, pointer: bytes, value: Any, body: bytes) -> None:
        """Sends the same bytes until the value can be read back."""
        last = ""
        attempts = Attempts(self._stopping, self._pauses)
        for _ in attempts:
            try:
                with self._turn():
                    reply = self._http.request("PUT", f"/{pointer.hex()}", body, _headers(header))
                attempts.after(reply.retry_after)
                last = f"it answered {_status(reply)}, and the value was not there afterwards"
            except NoAnswerError as error:
                reply, last = None, str(error)
            if reply is not None and reply.status == _TOO_MANY:
                continue  # it was not carried out
            if reply is not None and 400 <= reply.status < 500:
                raise StepFailedError(
                    f"metadata server {self._server} refuses to store {pointer.hex()}: {_status(reply)}",
                    hint=f"does the metadata server trust the key {self._signer().fingerprint}?",
                )
            if self._readable(pointer, value, patient=reply is not None and reply.status == 200):
                return
        raise UnavailableError(
            f"metadata server {self._server} did not store {pointer.hex()} in {len(self._pauses)} attempts: {last}",
            hint="does it run and trust the key? does somebody else write there, or is this machine's clock behind?",
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

    def _readable(self, pointer: bytes, value: Any, *, patient: bool) -> bool:
        """Whether the value is there; looks more than once when the server said that it stores it."""
        looks = Attempts(self._stopping, self._looks if patient else self._looks[:1])
        return any(self._arrived(self.get(pointer), value) for _ in looks)

    def _arrived(self, present: Any | None, value: Any) -> bool:
        if self._mode == "two-step" and isinstance(value, dict):
            return contains(present, value)
        return present is not None and same(present, value)


def _refuse_fatal_merge(pointer: bytes, present: Any | None, value: Any) -> None:
    """The server merges an object into an object; anything else onto something does nothing, harm, or kills it."""
    if present is None or (isinstance(present, dict) and isinstance(value, dict)):
        return
    raise InvalidError(
        f"two-step writing cannot replace the value at {pointer.hex()}: only an object can be merged into an object",
        hint="choose one-step writing for metadata",
    )


def _headers(mode: str) -> dict[str, str]:
    return {"X-CIC-AUTOMERGE": mode, "Content-Type": "application/json"}


def _status(reply: MetaReply) -> str:
    return f"{reply.status} {reply.reason}".rstrip()
