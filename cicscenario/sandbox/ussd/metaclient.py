"""Reads and writes cic-meta's entries over HTTP. Source: cic-meta's protocol, with the two-step write."""

import http.client
import json
import logging
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pysequoia import SignatureMode, Tsk, sign

from cicscenario.errors import InvalidError
from cicscenario.jsontext import parse_json

_log = logging.getLogger(__name__)

_TIMEOUT = 5.0  # seconds; the server never answers a write that takes longer
_KEPT = 4.0  # seconds that an idle connection is used again: the server closes it after five
_TRIES = 5  # of the second step of a write


class MetaError(Exception):
    """A request to the metadata server failed: it did not answer, or (``answered``) its answer was an error or wrong."""

    def __init__(self, message: str, *, answered: bool = True) -> None:
        super().__init__(message)
        self.answered = answered


class EntrySigner:
    """Signs texts with the private key in ``file``, as cic-ussd does: a cleartext signature with armor.

    An empty passphrase means none. Raises InvalidError when the file has no such key, or the passphrase is wrong.
    """

    def __init__(self, file: Path, passphrase: str) -> None:
        try:
            self._signer = Tsk.from_file(str(file)).signer(passphrase or None)
        except Exception as error:  # the library has no exceptions of its own
            raise InvalidError(
                f"--key {file}: no private key that can sign: {str(error).splitlines()[0]}",
                hint="the file must have an OpenPGP private key, and --passphrase-file its passphrase",
            ) from None
        self._lock = threading.Lock()

    def sign(self, text: str) -> str:
        with self._lock:
            return bytes(sign(self._signer, text.encode(), mode=SignatureMode.CLEAR)).decode()


class SigningMetaClient:
    """A client of the server at ``url``. Thread-safe: each request has a connection of its own. Raises MetaError."""

    def __init__(self, url: str, signer: EntrySigner) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._path = parts.hostname or "127.0.0.1", parts.port or 80, parts.path.rstrip("/")
        self._signer = signer
        #: Each with the time when it was last used. Shared by all threads: each dial is answered by a new one.
        self._idle: list[tuple[http.client.HTTPConnection, float]] = []
        # The real server loses a write that arrives during another one.
        self._one_put = threading.Lock()

    def get(self, pointer: str, timeout: float = _TIMEOUT) -> Any:
        """The value of an entry, or None when there is none."""
        status, body = self._request("GET", pointer, None, {}, timeout)
        if status == 404:
            return None
        if status != 200:
            raise MetaError(f"status {status} to a read")
        try:
            return parse_json(body)
        except ValueError:
            raise MetaError("the answer to a read is not JSON") from None

    def put(self, pointer: str, value: Any) -> None:
        """Writes an entry. Only an entry whose value is an object may exist already."""
        headers = {"X-CIC-AUTOMERGE": "server", "Content-Type": "application/json"}
        status, envelope = self._request("POST", pointer, json.dumps(value), headers)
        if status != 200:
            raise MetaError(f"status {status} to the first step of a write")
        try:
            digest = parse_json(envelope)["digest"]
        except (ValueError, KeyError, TypeError):
            raise MetaError("the answer to the first step of a write is not a document with a digest") from None
        signature = {"engine": "pgp", "algo": "1", "data": self._signer.sign(digest), "digest": digest}
        body = json.dumps({"m": envelope, "s": signature})
        for attempt in range(_TRIES):
            try:
                with self._one_put:
                    status, _ = self._request("PUT", pointer, body, headers)
            except MetaError:
                if attempt == _TRIES - 1:
                    raise
                continue
            if status == 200:
                return
        raise MetaError(f"status {status} to the second step of a write")

    def _request(
        self, method: str, pointer: str, body: str | None, headers: dict[str, str], timeout: float = _TIMEOUT
    ) -> tuple[int, str]:
        connection = self._connection(timeout)
        try:
            connection.request(method, f"{self._path}/{pointer}", body.encode() if body else None, headers)
            response = connection.getresponse()
            answer = response.status, response.read().decode()
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise MetaError(f"no answer to a {method}: {error!r}", answered=False) from None
        self._idle.append((connection, time.monotonic()))
        return answer

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        """An open connection that nobody uses, or a new one."""
        while self._idle:
            connection, used = self._idle.pop()
            if time.monotonic() - used < _KEPT:
                break
            connection.close()
        else:
            connection = http.client.HTTPConnection(self._host, self._port)
        connection.timeout = timeout
        if connection.sock:
            connection.sock.settimeout(timeout)
        return connection

    def close(self) -> None:
        """Closes the connections; nobody may use one any more."""
        while self._idle:
            self._idle.pop()[0].close()
