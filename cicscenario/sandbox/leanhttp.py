"""HTTP with a server on this machine, in a fraction of the time that ``http.client`` takes to read the headers of an answer."""

import http.client
import socket
from collections.abc import Mapping

_PIECE = 65_536  # bytes read at once
_MOST_HEAD = 65_536  # bytes of an answer before its body


class LeanConnection:
    """A connection that is kept open between requests, as those of ``http.client``, and sends the same bytes.

    ``timeout`` is in seconds, for each wait. Not thread-safe. After an error it must be closed; then the next request opens
    it again.
    """

    def __init__(self, host: str, port: int, timeout: float | None = None) -> None:
        self._host, self._port = host, port
        self._timeout = timeout
        self._place = f"[{host}]" if ":" in host else host
        self._socket: socket.socket | None = None
        self._unread = b""

    def wait_at_most(self, seconds: float) -> None:
        """Sets the timeout."""
        self._timeout = seconds
        if self._socket is not None:
            self._socket.settimeout(seconds)

    def request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body of the answer. Raises OSError, http.client.HTTPException, or ValueError for no HTTP."""
        if self._socket is None:
            self._socket = socket.create_connection((self._host, self._port), self._timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        place = self._place if self._port == http.client.HTTP_PORT else f"{self._place}:{self._port}"
        lines = [f"{method} {path} HTTP/1.1", f"Host: {place}", "Accept-Encoding: identity"]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name}: {text}" for name, text in headers.items()]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))
        self._unread = b""  # a body that was longer than announced
        return self._answer(method)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _answer(self, method: str) -> tuple[int, bytes]:
        first, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, *_ = first.split(None, 2)
        if not version.startswith("HTTP/1."):
            raise http.client.BadStatusLine(first)
        found = {name.strip().lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
        keeps = "close" not in found.get("connection", "" if version == "HTTP/1.1" else "close").lower()
        if found.get("transfer-encoding", "").lower() == "chunked":
            body = self._chunks()
        elif method == "HEAD" or int(status) in (204, 304):
            body = b""
        elif "content-length" in found:
            body = self._exactly(int(found["content-length"]))
        else:
            body, keeps = self._rest(), False
        if not keeps:
            self.close()
        return int(status), body

    def _until(self, end: bytes) -> bytes:
        while (found := self._unread.find(end)) < 0:
            if len(self._unread) > _MOST_HEAD:
                raise http.client.LineTooLong("answer")
            self._more()
        text, self._unread = self._unread[:found], self._unread[found + len(end) :]
        return text

    def _exactly(self, length: int) -> bytes:
        while len(self._unread) < length:
            self._more()
        body, self._unread = self._unread[:length], self._unread[length:]
        return body

    def _chunks(self) -> bytes:
        body = b""
        while length := int(self._until(b"\r\n").partition(b";")[0], 16):
            body += self._exactly(length)
            self._until(b"\r\n")
        while self._until(b"\r\n"):
            pass  # a trailer
        return body

    def _rest(self) -> bytes:
        assert self._socket is not None
        while piece := self._socket.recv(_PIECE):
            self._unread += piece
        return self._exactly(len(self._unread))

    def _more(self) -> None:
        assert self._socket is not None
        piece = self._socket.recv(_PIECE)
        if not piece:
            raise http.client.RemoteDisconnected("the connection was closed before the end of the answer")
        self._unread += piece
