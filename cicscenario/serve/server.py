"""Serves the page of a run on loopback, to browsers of this machine alone. It only reads: GET and HEAD, and one address."""

import hashlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cicscenario.errors import UnavailableError, reason_of
from cicscenario.report.html import policy
from cicscenario.visitors import refusal, said

HOST = "127.0.0.1"
_PATIENCE = 20.0  # seconds for a request to arrive


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, page: Callable[[], str]) -> None:
        self.page = page
        super().__init__((HOST, port), _Handler)

        self.answered = threading.Condition()
        self.last = -math.inf  # when the page was asked for last

    def told(self) -> None:
        """The page was asked for, and is answered."""
        with self.answered:
            self.last = time.monotonic()
            self.answered.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is no error of ours, and nothing may be printed between a run's own lines."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "cicscenario", ""
    timeout = _PATIENCE

    def do_GET(self) -> None:
        if reason := refusal(lambda name: self.headers.get_all(name, []), local_pages=False):
            self._answer(HTTPStatus.FORBIDDEN, said(reason))
        elif self.path.partition("?")[0] != "/":
            self._answer(HTTPStatus.NOT_FOUND, "there is only one page here: /\n")
        else:
            self._page()

    def do_HEAD(self) -> None:
        self.do_GET()

    def _page(self) -> None:
        page = self.server.page()
        self.server.told()
        tag = f'"{hashlib.sha256(page.encode("utf-8", "backslashreplace")).hexdigest()[:32]}"'
        if self.headers.get("If-None-Match") == tag:
            self._answer(HTTPStatus.NOT_MODIFIED, "", ETag=tag)
        else:
            self._answer(HTTPStatus.OK, page, kind="text/html", ETag=tag, Content_Security_Policy=policy())

    def _answer(self, status: HTTPStatus, text: str, *, kind: str = "text/plain", **headers: str) -> None:
        body = text.encode("utf-8", "backslashreplace")
        self.send_response(status)
        fixed = {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        for name, value in (fixed | {name.replace("_", "-"): value for name, value in headers.items()}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD" and status is not HTTPStatus.NOT_MODIFIED:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


class Serving:
    """A page that is served at ``address``."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self.address = f"http://{HOST}:{server.server_address[1]}/"

    def say_goodbye(self, every: float) -> None:
        """Waits until whoever looks at the page, and asks for it ``every`` so many seconds, has got what it says now.

        Nobody may be looking, or no longer: it waits twice as long at most.
        """
        server, now = self._server, time.monotonic()
        with server.answered:
            if now - server.last < 2 * every:
                server.answered.wait_for(lambda: server.last > now, timeout=2 * every)


@contextmanager
def serving(page: Callable[[], str], port: int) -> Iterator[Serving]:
    """Serves ``page`` on loopback until the block ends. Port 0 is any that is free.

    Raises UnavailableError when the port cannot be used.
    """
    try:
        server = _Server(port, page)
    except OSError as error:
        raise UnavailableError(
            f"the page cannot be served on {HOST}:{port}: {reason_of(error)}",
            hint="name another port, or none for any that is free",
        ) from None
    thread = threading.Thread(target=server.serve_forever, args=(0.2,), name="page", daemon=True)
    thread.start()
    try:
        yield Serving(server)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
