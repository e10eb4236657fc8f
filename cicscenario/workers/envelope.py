"""Encrypts what runs and workers tell each other, with a secret that is in the environment files of both.

ChaCha20-Poly1305 (RFC 8439) under a key that HKDF-SHA256 (RFC 5869) derives from the secret, with the run's lineage as salt. The
associated data are version, lineage, task and direction, so that nothing opens in another place than the one it was sealed for.
Nonces are random: 96 bits for at most 2^32 messages of a lineage.
"""

import base64
import json
import os
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cicscenario import __version__
from cicscenario.errors import InvalidError
from cicscenario.jsontext import parse_json

#: Of tasks and results. It begins with that of the program, since other versions may do the work in another way.
VERSION = f"{__version__}/1"
SHORTEST = 32  #: characters of the secret; whoever records the broker can try short ones
_INFO = b"cicscenario workers"
_KEY, _NONCE = 32, 12  # bytes


class Direction(StrEnum):
    """What a message is."""

    TASK = "task"
    RESULT = "result"
    BEAT = "beat"  #: a worker's sign of life, which belongs to no run and has the worker's name as its task


class SealError(Exception):
    """A message that was not sealed with this secret for this place, or that was changed since."""


def require_secret(secret: str) -> str:
    """The secret. Raises InvalidError when it is too short."""
    if len(secret) < SHORTEST:
        raise InvalidError(
            f"`workers.secret` has {len(secret)} characters, expected {SHORTEST} or more",
            hint="`openssl rand -hex 32` makes one; it must be the same for runs and workers",
        )
    return secret


class Envelope:
    """Seals and opens the messages of one lineage; an empty one is for beats. Safe for use by many threads."""

    def __init__(self, secret: str, lineage: str, version: str = VERSION) -> None:
        key = HKDF(SHA256(), _KEY, lineage.encode(), _INFO).derive(secret.encode())
        self._cipher = ChaCha20Poly1305(key)
        self._lineage = lineage
        self._version = version

    def seal(self, direction: Direction, task: str, content: dict[str, Any]) -> str:
        """The content as text: version, nonce and ciphertext as JSON."""
        nonce = os.urandom(_NONCE)
        sealed = self._cipher.encrypt(
            nonce, json.dumps(content).encode(), self._bound(self._version, direction, task)
        )  # fmt: skip
        return json.dumps({"version": self._version, "nonce": _text(nonce), "sealed": _text(sealed)})

    def open(self, direction: Direction, task: str, text: str | bytes) -> tuple[str, dict[str, Any]]:
        """The version of who sealed it, and the content. Raises SealError."""
        try:
            outer = parse_json(text)
            version, nonce, sealed = (outer[name] for name in ("version", "nonce", "sealed"))
            data = self._cipher.decrypt(_bytes(nonce), _bytes(sealed), self._bound(str(version), direction, task))
            content = parse_json(data)
        except (InvalidTag, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SealError(f"not sealed with this secret: {type(error).__name__}") from None
        if not isinstance(content, dict):
            raise SealError("sealed, but not a JSON object")
        return str(version), content

    def _bound(self, version: str, direction: Direction, task: str) -> bytes:
        return json.dumps([version, self._lineage, task, str(direction)]).encode()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
