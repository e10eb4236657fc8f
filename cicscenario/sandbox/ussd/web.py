"""The HTTP server, with exactly cic-ussd's statuses, reasons and headers.

It uses the standard library's server, because other servers do not allow such reasons and dropped connections.
"""

import contextlib
import logging
import re
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import phonenumbers

from cicscenario.sandbox.pace import Work, WorkPace
from cicscenario.sandbox.process import cannot_listen, require_loopback
from cicscenario.sandbox.ussd.accounts import international_form
from cicscenario.sandbox.ussd.conversation import UssdRequest
from cicscenario.sandbox.ussd.machine import NoTransitionError
from cicscenario.sandbox.ussd.menus import OLD, Menus
from cicscenario.sandbox.ussd.wallet import NoScreenError
from cicscenario.visitors import refusal, said

_log = logging.getLogger(__name__)

#: The text for a wrong service code names the first one.
SERVICE_CODES = ("*483*46#", "*483*061#", "*384*96#")

_FORM = "application/x-www-form-urlencoded"
_LARGEST_BODY = 1024  # bytes
_LARGEST_READ = 1 << 20  # bytes of a body that are read
_PHONE = re.compile(r"[+]?[0-9]{10,12}$")
_IDLE = 10.0  # seconds after which a silent connection is closed


@dataclass(frozen=True)
class UssdReply:
    """A response; only the one to the health check has no Content-Length."""

    status: int
    reason: str
    body: str = ""
    has_length: bool = True


class DroppedError(Exception):
    """The connection is closed without an answer, as uWSGI does when the application fails."""


class UssdApplication:
    """Does what cic-ussd's WSGI application does: checks the request, then passes it to ``converse``, one at a time."""

    def __init__(
        self, dialect: str, menus: Menus, converse: Callable[[UssdRequest], str], error_every: int, pace: WorkPace
    ) -> None:
        self._pace = pace
        self._is_old = dialect == OLD
        self._menus = menus
        self._converse = converse
        self._error_every = error_every
        self._requests = 0
        self._lock = threading.Lock()

    def reply(self, method: str, path: str, content_type: str | None, body: bytes) -> UssdReply:
        """The response to a request. Raises DroppedError when the connection must be closed without one."""
        if path == "/health-check" and not self._is_old:
            return UssdReply(200, "OK", "healthy", has_length=False)
        if method != "POST" or path != "/":
            return UssdReply(405, "Play by the rules")
        if self._is_fault_due():
            return UssdReply(500, "Internal Server Error")
        if content_type != _FORM:
            return UssdReply(405, "Urlencoded, please")
        return self._answer(self._call(body), len(body))

    def _is_fault_due(self) -> bool:
        with self._lock:
            self._requests += 1
            return bool(self._error_every) and self._requests % self._error_every == 0

    def _call(self, body: bytes) -> UssdRequest:
        try:
            form = parse_qs(body.decode())
            service_code, phone, session_id = (form[name][0] for name in ("serviceCode", "phoneNumber", "sessionId"))
            if self._is_old:
                phone = international_form(phone)
        except (UnicodeDecodeError, ValueError, KeyError, phonenumbers.NumberParseException) as error:
            raise DroppedError(f"the form cannot be read: {error!r}") from None
        return UssdRequest(session_id, service_code, phone, form.get("text", [""])[0])

    def _answer(self, call: UssdRequest, length: int) -> UssdReply:
        if length > _LARGEST_BODY:
            return UssdReply(400, "Size matters")
        if call.service_code not in SERVICE_CODES:
            text = self._menus.text("invalid_service_code", None, {"valid_service_code": SERVICE_CODES[0]})
            return UssdReply(200, "OK", text)
        if not _PHONE.match(call.phone):
            return UssdReply(400, "Invalid phone number format")
        try:
            with self._lock, self._pace.taking(Work.POST):
                return UssdReply(200, "OK,", self._converse(call))
        except Exception as error:  # cic-ussd answers any exception in the same way
            # Logs only the text of our own exceptions: another text may contain the input, which may be a PIN.
            reason = error if isinstance(error, NoScreenError | NoTransitionError) else type(error).__name__
            _log.info("session %s failed: %s", call.session_id, reason)
            _log.debug("because of", exc_info=True)
            if self._is_old:
                raise DroppedError("the application failed") from None
            return UssdReply(500, "Internal Server Error")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE
    wbufsize = -1  # buffered: a response is sent in one piece
    server: "UssdServer"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        self.close_connection = True  # uWSGI closes the connection after each response
        # Not self.path: the standard library replaces two leading slashes there by one.
        path = self.requestline.split()[1].partition("?")[0]
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(min(length, _LARGEST_READ))
        reason = refusal(lambda name: self.headers.get_all(name) or [], local_pages=False)
        if reason is not None:
            self._send(UssdReply(403, "Forbidden", said(reason)))
            return
        try:
            reply = self.server.gate.reply(self.command, path, self.headers.get("Content-Type"), body)
        except DroppedError as error:
            _log.info("connection closed: %s", error)
            return
        self._send(reply)

    def _send(self, reply: UssdReply) -> None:
        self.send_response_only(reply.status, reply.reason)
        self.send_header("Content-Type", "text/plain")
        text = reply.body.encode()
        if reply.has_length:
            self.send_header("Content-Length", str(len(text)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        _log.debug(format, *args)


class UssdServer(ThreadingHTTPServer):
    """Listens on ``host`` and ``port``. Raises UnavailableError when the port is taken."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, host: str, port: int, gate: UssdApplication) -> None:
        require_loopback(host, "phone interface")
        self.gate = gate
        self._ending = False
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise cannot_listen(host, port, error) from None

    def serve_until_ended(self) -> None:
        """Answers requests until ``end`` is called. The library's own ``serve_forever`` looks at a flag again and again."""
        while not self._ending:
            self.handle_request()

    def end(self) -> None:
        """Has ``serve_until_ended`` return, which a connection of ours wakes. Call it once."""
        self._ending = True
        with contextlib.suppress(OSError):
            socket.create_connection((str(self.server_address[0]), int(self.server_address[1])), _IDLE).close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.info("a connection ended early: %r", sys.exc_info()[1])
