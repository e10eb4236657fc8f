"""HTTP with the metadata server, whose ``Content-Length`` is wrong.

It counts UTF-16 units, while the body is UTF-8. A body that is not ASCII is therefore longer than announced, and the rest
would be taken for the next reply on the same connection. Whether a body is whole can be seen: when the announced part is
all ASCII, nothing is missing, and JSON without its end is not valid, unless it is a number, which is ASCII.
"""

import http.client
import ssl
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cicscenario.address import Redaction, public
from cicscenario.errors import InvalidError, reason_of
from cicscenario.jsontext import JsonTextError, parse_json
from cicscenario.printable import foreign
from cicscenario.transport.cancellation import Cancellation
from cicscenario.transport.exchange import MEGABYTE, TooLargeError
from cicscenario.transport.http import TRANSIENT, http_connection, whole_body
from cicscenario.transport.traffic import Meter

#: Seconds that an idle connection is kept; the server closes it after 5.
_IDLE = 4.0
_MOST = 16 * MEGABYTE  # of an answer; an entry is some kilobytes
_CLOSE = {"Connection": "close"}
_NO_REPLY = (OSError, http.client.HTTPException, ValueError)  # ValueError: a host name that IDNA does not have, for one


class NoAnswerError(Exception):
    """Nothing, or not HTTP, came back; the text says why. The request may have been carried out.

    ``lasting``: another attempt ends in the same way, as with a certificate that is not trusted.
    """

    def __init__(self, why: str, *, lasting: bool = False) -> None:
        super().__init__(why)
        self.lasting = lasting


@dataclass(frozen=True)
class MetaReply:
    """Status code, reason phrase, whole body, and the headers by their names in lower case."""

    status: int
    reason: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def retry_after(self) -> str | None:
        """The header Retry-After of a server that asks for a pause."""
        return self.headers.get("retry-after")

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON."""
        return self._parsed[0]

    @property
    def value(self) -> Any:
        """The body as JSON; None also when it is not JSON."""
        return self._parsed[1]

    @cached_property
    def _parsed(self) -> tuple[bool, Any]:
        try:
            return True, parse_json(self.body)
        except JsonTextError:
            return False, None

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the body is missing, although the announced length is wrong: see above."""
        return self.body.isascii() or self.is_json

    def __str__(self) -> str:
        return f"{self.status} {foreign(self.reason)}".rstrip()


@dataclass(frozen=True)
class MetaAddress:
    """Where a server is. ``path`` is what goes before every path, without the slash at its end; ``str`` leaves it out."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> "MetaAddress":
        """Raises InvalidError for what is not the address of an HTTP server, or has a password in it."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise InvalidError("the URL of the metadata server is not one") from None
        if parts.username or parts.password:
            raise InvalidError(
                "the URL of the metadata server has a user name or password in it, which it never asks for"
            )
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise InvalidError(
                f"not the URL of a metadata server: {public(url)}", hint="such as http://localhost:63380"
            )
        default = 443 if parts.scheme == "https" else 80
        return cls(parts.scheme, parts.hostname, port or default, parts.path.rstrip("/"))

    def __str__(self) -> str:
        return f"{self.scheme}://{self._place}"

    @property
    def url(self) -> str:
        """With its path, which may be or hold a key."""
        return f"{self}{self.path}"

    @property
    def _place(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class MetaConnections:
    """Connections to one server, kept open between requests and handed out to one thread at a time.

    ``timeout`` is in seconds, for a request as a whole: connecting, sending, and the whole answer, of at most ``most`` bytes.
    ``sent`` counts requests by method. Soon after ``stopping`` is set, requests raise InterruptedRunError. ``ca`` is a PEM file
    of authorities to trust beside the public ones.
    """

    def __init__(
        self,
        server: MetaAddress,
        timeout: float,
        stopping: threading.Event | None = None,
        ca: Path | None = None,
        *,
        most: int = _MOST,
        meter: Meter | None = None,
    ) -> None:
        self.server = server
        self.redact = Redaction(server.url)  #: for what the server says
        self._most = most
        self._ca = ca
        self._timeout = timeout
        self.meter = meter or Meter()
        self._cancellation = Cancellation(stopping, meter=self.meter)
        self._idle: list[tuple[float, http.client.HTTPConnection]] = []
        self._lock = threading.Lock()
        self.sent: Counter[str] = Counter()
        self.unanswered = 0  #: requests to which no whole reply came

    def read(self, path: str, headers: Mapping[str, str] | None = None) -> MetaReply:
        """GET; a body that is longer than announced is asked for again and read to the end of its connection."""
        reply = self.request("GET", path, headers=headers)
        if reply.is_whole:
            return reply
        self.meter.repeats("the body of the answer was longer than announced")
        return self.request("GET", path, headers=headers, to_end=True)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        to_end: bool = False,
    ) -> MetaReply:
        """One request, sent once. With ``to_end`` the server closes the connection after the reply, which is
        read to its end, whatever length it announces.

        Raises NoAnswerError when no whole reply came.
        """
        with self._lock:
            self.sent[method] += 1
        connection = None
        try:
            with self._cancellation.exchange(self._timeout, self._most) as exchange:
                connection = self._borrow()
                all_headers = {**(headers or {}), **(_CLOSE if to_end else {})}
                connection.request(method, self.server.path + path, body, all_headers)
                response = connection.getresponse()
                if to_end and not response.chunked:
                    response.length = None
                exchange.refused = response.status in TRANSIENT
                received = {name.lower(): text for name, text in response.headers.items()}
                reply = MetaReply(response.status, self.redact(response.reason), whole_body(response), received)
        except BaseException as error:
            if connection:
                connection.close()
            if not isinstance(error, _NO_REPLY):
                raise
            lasting = isinstance(error, ssl.SSLCertVerificationError | TooLargeError)
            raise self._unanswered(error, lasting=lasting) from None
        self._give_back(connection, reusable=not response.will_close and not to_end and reply.is_whole)
        return reply

    def _borrow(self) -> http.client.HTTPConnection:
        with self._lock:
            while self._idle:
                since, connection = self._idle.pop()
                if time.monotonic() - since < _IDLE:
                    return connection
                connection.close()
        return http_connection(
            self.server.scheme,
            self.server.host,
            self.server.port,
            timeout=self._timeout,
            ca=self._ca,
        )

    def _give_back(self, connection: http.client.HTTPConnection, *, reusable: bool) -> None:
        if not reusable:
            connection.close()
            return
        with self._lock:
            self._idle.append((time.monotonic(), connection))

    def close(self) -> None:
        """Closes what is idle; connections in use are closed by their users."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def _unanswered(self, error: Exception, *, lasting: bool) -> NoAnswerError:
        with self._lock:
            self.unanswered += 1
        return NoAnswerError(self._reason(error), lasting=lasting)

    def _reason(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"no answer within {self._timeout:g} seconds"
        if isinstance(error, http.client.RemoteDisconnected | ConnectionResetError | BrokenPipeError):
            return "the connection was dropped without an answer"
        if isinstance(error, OSError):
            return reason_of(error)
        return f"not a whole HTTP reply ({type(error).__name__})"
