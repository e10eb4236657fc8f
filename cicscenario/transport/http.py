"""HTTP requests that end in their time, and within a second after the run is stopped: ``HttpSessions`` by ``requests``,
``http_connection`` by ``http.client``. No answer is taken that is larger than a client's limit.
"""

import http.client
import json
import socket
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.cookies import extract_cookies_to_jar
from urllib3.connection import HTTPConnection, HTTPSConnection

from cicscenario.transport import tls
from cicscenario.transport.cancellation import Cancellation
from cicscenario.transport.exchange import MEGABYTE, SLACK, LateError, TooLargeError, in_thread, metered
from cicscenario.transport.near import connected_at_once
from cicscenario.transport.traffic import Meter

_MOST_KNOWN = 100  # requests that are kept to be used again; a client has a few
_PIECE = 65536  # bytes of a body that are read, and unpacked, at a time
TRANSIENT = (408, 425, 429, *range(500, 600))  #: status codes after which the same request may succeed later


def http_connection(
    scheme: str, host: str, port: int, *, timeout: float, ca: Path | None = None
) -> http.client.HTTPConnection:
    """An open connection of ``http.client``, whose use belongs to the current exchange, of so many seconds.

    ``ca`` is a PEM file of authorities to trust beside the public ones.
    """
    connection = (
        http.client.HTTPSConnection(host, port, timeout=timeout + SLACK, context=tls.context(ca))
        if scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=timeout + SLACK)
    )
    connection._create_connection = _connected  # type: ignore[attr-defined]

    def connect() -> None:
        with tls.untrusted_told():
            connection.connect()

    in_thread(connect, lambda _: connection.close())
    return connection


def _connected(*arguments: Any, **options: Any) -> socket.socket:
    return metered(socket.create_connection(*arguments, **options))


def whole_body(response: http.client.HTTPResponse) -> bytes:
    """The body, read piece by piece: ``http.client`` would make room at once for all that is announced.

    Raises http.client.IncompleteRead when it is shorter than announced.
    """
    parts = []
    while part := response.read(_PIECE):
        parts.append(part)
    body = b"".join(parts)
    if response.length:
        raise http.client.IncompleteRead(body, response.length)
    return body


class ResponseTooLargeError(requests.RequestException):
    """The answer is larger than the client takes, or becomes so when it is unpacked."""


class HttpSessions:
    """Requests by ``requests``, with a connection pool for each thread. Safe for use by many threads.

    ``timeout`` is in seconds, for a request as a whole: connecting, sending, and the whole answer. ``most`` is the size of an
    answer in bytes, as it comes and, without its headers, when it is unpacked. Proxies from environment variables and passwords
    from ``~/.netrc`` are ignored, since only the environment file says where a service is. Redirects are not followed.
    ``sent`` counts requests. ``keep`` says whether a connection is used for more than one request. ``ca`` is a PEM file of
    authorities to trust beside the public ones. ``meter`` counts requests, and how long they take.
    """

    def __init__(
        self,
        timeout: float,
        stopping: threading.Event | None = None,
        *,
        most: int = MEGABYTE,
        keep: bool = True,
        ca: Path | None = None,
        meter: Meter | None = None,
    ) -> None:
        self.sent = 0
        self._most = most
        self._ca = ca
        self._timeout = timeout
        self._keep = keep
        self._cancellation = Cancellation(stopping, meter=meter)
        self._mutex = threading.Lock()
        self._local = threading.local()
        self._sessions = weakref.WeakSet[requests.Session]()
        self._known: dict[tuple[Any, ...], requests.PreparedRequest] = {}

    def post(self, url: str, **options: Any) -> requests.Response:
        """One POST, with the options of ``requests``.

        Raises requests.RequestException for whatever is raised below it: ConnectTimeout when nothing of the request was sent in
        its time, ReadTimeout when the answer was not whole, ResponseTooLargeError. Raises InterruptedRunError when the run is
        stopped.
        """
        return self._request("POST", url, options)

    def get(self, url: str, **options: Any) -> requests.Response:
        """One GET, as ``post``."""
        return self._request("GET", url, options)

    def _request(self, method: str, url: str, options: dict[str, Any]) -> requests.Response:
        with self._mutex:
            self.sent += 1
        try:
            with self._cancellation.exchange(self._timeout, self._most) as exchange, self._open() as session:
                reply = self._send(session, method, url, options)
                exchange.refused = reply.status_code in TRANSIENT
                return reply
        except requests.RequestException:
            raise
        except LateError as error:
            raise (requests.ReadTimeout if error.sent else requests.ConnectTimeout)(error) from error
        except TooLargeError as error:
            raise ResponseTooLargeError(error) from error
        except (OSError, http.client.HTTPException) as error:
            raise requests.ConnectionError(error) from error
        except ValueError as error:
            # The address, or that of a redirect, is none: an IDNA error of the host's name, for one.
            raise requests.exceptions.InvalidURL(error) from error
        except urllib3.exceptions.HTTPError as error:
            raise requests.ConnectionError(error) from error

    def close(self) -> None:
        """Closes the open connections; the next request opens a new one."""
        with self._mutex:
            sessions = list(self._sessions)
        for session in sessions:
            session.close()

    def _send(self, session: requests.Session, method: str, url: str, options: dict[str, Any]) -> requests.Response:
        # Not by ``session.request``, which takes as long to prepare the same request as to send it.
        request = self._prepared(session, method, url, options)
        adapter = session.get_adapter(str(request.url))
        reply = adapter.send(request, stream=True, timeout=self._timeout + SLACK)
        if self._keep and "Set-Cookie" in reply.headers:
            extract_cookies_to_jar(session.cookies, request, reply.raw)  # type: ignore[no-untyped-call]
        with reply:
            parts, left = [], self._most
            for part in reply.iter_content(_PIECE):
                parts.append(part)
                left -= len(part)
                if left < 0:
                    raise TooLargeError(self._most)
            reply._content = b"".join(parts)  # what ``content`` gives; there is no other way to have it read to a limit
        return reply

    def _prepared(
        self, session: requests.Session, method: str, url: str, options: dict[str, Any]
    ) -> requests.PreparedRequest:
        """The request; of one that differs from an earlier one in nothing but its body, the rest is used again."""
        body = _body(options)
        if body is None or len(session.cookies):
            return session.prepare_request(requests.Request(method, url, **options))
        key = (method, url, "json" in options, tuple(options.get("headers", {}).items()))
        like = self._known.get(key)
        if like is None:
            like = session.prepare_request(requests.Request(method, url, **options))
            if len(self._known) < _MOST_KNOWN:
                self._known[key] = like
        request = like.copy()
        request.body = body
        request.headers["Content-Length"] = str(len(body))
        return request

    @contextmanager
    def _open(self) -> Iterator[requests.Session]:
        session = self._session()
        try:
            yield session
        finally:
            if not self._keep:
                for adapter in session.adapters.values():
                    assert isinstance(adapter, _Adapter)
                    adapter.close_connections()  # not by ``session.close``, after which all is made again

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = self._new_session()
            with self._mutex:
                self._sessions.add(self._local.session)
        session: requests.Session = self._local.session
        return session

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(self._ca))
        return session


def _body(options: dict[str, Any]) -> bytes | None:
    """The body of a request, as ``requests`` writes it; None for one that it is left to."""
    if options.keys() <= {"headers", "json"} and options.get("json") is not None:
        return json.dumps(options["json"], allow_nan=False).encode()
    if options.keys() <= {"headers", "data"} and options.get("data") and isinstance(options["data"], str):
        return str(options["data"]).encode()
    return None


class _Adapter(HTTPAdapter):
    """Its connections belong to the current exchange."""

    def __init__(self, ca: Path | None) -> None:
        self._ca = ca
        super().__init__(pool_maxsize=1)  # each thread has a session of its own

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def close_connections(self) -> None:
        """Closes those that nobody uses; each can be opened again."""
        keys = self.poolmanager.pools.keys()  # it cannot be iterated itself
        for key in keys:
            pool = self.poolmanager.pools.get(key)
            for connection in list(pool.pool.queue) if pool is not None and pool.pool else ():
                if connection is not None:
                    connection.close()

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Trusts the authorities of ``ca``; ``requests`` would load the public ones for each connection."""
        if url.lower().startswith("https:"):
            conn.cert_reqs = "CERT_REQUIRED"
            conn.conn_kw["ssl_context"] = tls.context(self._ca)


def _near(connection: Any) -> socket.socket | None:
    """A connection to this machine that needs no handshake of TLS or of a proxy, if it is made at once."""
    if isinstance(connection, HTTPSConnection) or connection.proxy or connection.source_address:
        return None
    timeout = connection.timeout if isinstance(connection.timeout, int | float) else None
    return connected_at_once(connection._dns_host, connection.port, timeout, connection.socket_options or ())


def _pool_of(pool: type[Any], connection: type[Any]) -> type[Any]:
    def connect(self: Any) -> None:
        self.near = _near(self)
        if self.near is not None:
            connection.connect(self)
            return
        with tls.untrusted_told():
            in_thread(lambda: connection.connect(self), lambda _: self.close())

    def new_conn(self: Any) -> socket.socket:
        near, self.near = self.near, None
        return metered(near or connection._new_conn(self))

    known = type(connection.__name__, (connection,), {"connect": connect, "_new_conn": new_conn})
    return type(pool.__name__, (pool,), {"ConnectionCls": known})


_POOLS = {
    "http": _pool_of(urllib3.HTTPConnectionPool, HTTPConnection),
    "https": _pool_of(urllib3.HTTPSConnectionPool, HTTPSConnection),
}
