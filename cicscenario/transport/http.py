"""HTTP requests that end within a second after the run is stopped: ``HttpSessions`` by ``requests``, ``http_connection`` by
``http.client``.
"""

import http.client
import threading
import weakref
from pathlib import Path
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from cicscenario.transport import tls
from cicscenario.transport.cancellation import Cancellation, Sockets


def http_connection(
    scheme: str,
    host: str,
    port: int,
    *,
    timeout: float,
    cancellation: Cancellation,
    sockets: Sockets,
    ca: Path | None = None,
) -> http.client.HTTPConnection:
    """An open connection of ``http.client``. ``timeout`` is in seconds, for connecting and for each wait for bytes.

    ``ca`` is a PEM file of authorities to trust beside the public ones.
    """
    connection = (
        http.client.HTTPSConnection(host, port, timeout=timeout, context=tls.context(ca))
        if scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=timeout)
    )

    def connect() -> None:
        with tls.untrusted_told():
            connection.connect()

    cancellation.in_thread(connect, lambda _: connection.close())
    sockets.add(connection.sock)
    return connection


class HttpSessions:
    """Requests by ``requests``, with a connection pool for each thread. Safe for use by many threads.

    ``timeout`` is in seconds, for connecting and for each wait for bytes. Proxies from environment variables and passwords
    from ``~/.netrc`` are ignored, since only the environment file says where a service is. Redirects are not followed.
    ``sent`` counts requests. ``keep`` says whether a connection is used for more than one request. ``ca`` is a PEM file of
    authorities to trust beside the public ones.
    """

    def __init__(
        self, timeout: float, stopping: threading.Event | None = None, *, keep: bool = True, ca: Path | None = None
    ) -> None:
        self.sent = 0
        self._ca = ca
        self._timeout = timeout
        self._keep = keep
        self._cancellation = Cancellation(stopping)
        self._sockets = Sockets()
        self._mutex = threading.Lock()
        self._local = threading.local()
        self._sessions = weakref.WeakSet[requests.Session]()

    def post(self, url: str, **options: Any) -> requests.Response:
        """One POST, with the options of ``requests``.

        Raises requests.RequestException for whatever is raised below it, and InterruptedRunError when the run is stopped.
        """
        return self._request("POST", url, options)

    def get(self, url: str, **options: Any) -> requests.Response:
        """One GET, as ``post``."""
        return self._request("GET", url, options)

    def _request(self, method: str, url: str, options: dict[str, Any]) -> requests.Response:
        with self._mutex:
            self.sent += 1
        try:
            with self._cancellation.during(self._sockets.shut):
                if self._keep:
                    return self._send(self._session(), method, url, options)
                with self._new_session() as session:
                    return self._send(session, method, url, options)
        except requests.RequestException:
            raise
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
        return session.request(method, url, timeout=self._timeout, allow_redirects=False, **options)

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
            session.mount(scheme, _Adapter(self._cancellation, self._sockets, self._ca))
        return session


class _Adapter(HTTPAdapter):
    """Registers the socket of each connection, so that it can be shut down when the run is stopped."""

    def __init__(self, cancellation: Cancellation, sockets: Sockets, ca: Path | None) -> None:
        self._ca = ca
        self._pools = {
            "http": _pool_of(urllib3.HTTPConnectionPool, HTTPConnection, cancellation, sockets),
            "https": _pool_of(urllib3.HTTPSConnectionPool, HTTPSConnection, cancellation, sockets),
        }
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Trusts the authorities of ``ca``; ``requests`` would load the public ones for each connection."""
        if url.lower().startswith("https:"):
            conn.cert_reqs = "CERT_REQUIRED"
            conn.conn_kw["ssl_context"] = tls.context(self._ca)


def _pool_of(pool: type[Any], connection: type[Any], cancellation: Cancellation, sockets: Sockets) -> type[Any]:
    def connect(self: Any) -> None:
        with tls.untrusted_told():
            cancellation.in_thread(lambda: connection.connect(self), lambda _: self.close())
        sockets.add(self.sock)

    known = type(connection.__name__, (connection,), {"connect": connect})
    return type(pool.__name__, (pool,), {"ConnectionCls": known})
