"""Checks signatures of a document's digest against trusted keys, as the real server does."""

import re
from collections.abc import Sequence
from enum import Enum
from typing import Any

from pysequoia import Cert, Sig, verify
from pysequoia.packet import PacketPile

_BEGIN = re.compile(r"^-----BEGIN PGP ([A-Z ,0-9/]+)-----\r?$", re.MULTILINE)
_CARRIES_SIGNATURE = ("SIGNATURE", "SIGNED MESSAGE")


class Verdict(Enum):
    """The result of a check."""

    VALID = "valid"
    INVALID = "invalid"
    FATAL = "fatal"  #: OpenPGP data that is not a signature: the real server crashes with an unhandled rejection


class TrustedKeys:
    """The public keys whose signatures are valid."""

    def __init__(self, certs: Sequence[Cert]) -> None:
        self._certs = list(certs)

    def check(self, signature: Any) -> Verdict:
        """Checks whether ``signature["data"]``, armored or clearsigned, signs ``signature["digest"]`` with a trusted key.

        Like the real server, it does not compare this digest with the document's real one.
        """
        data = signature.get("data") if isinstance(signature, dict) else None
        if not isinstance(data, str) or (begin := _BEGIN.search(data)) is None:
            return Verdict.INVALID
        if begin[1] not in _CARRIES_SIGNATURE:
            return Verdict.FATAL if _is_openpgp(data) else Verdict.INVALID
        digest = signature.get("digest")
        if not isinstance(digest, str):
            return Verdict.INVALID
        armored = data[max(data.rfind("-----BEGIN PGP SIGNATURE-----"), 0) :]
        return self._verify(digest.encode("utf-8", "replace"), armored.encode("utf-8", "replace"))

    def _verify(self, text: bytes, armored: bytes) -> Verdict:
        try:
            verify(bytes=text, store=lambda _: self._certs, signature=Sig.from_bytes(armored))
        except Exception:  # the library has no exceptions of its own
            return Verdict.INVALID
        return Verdict.VALID


def _is_openpgp(armored: str) -> bool:
    try:
        return len(PacketPile.from_bytes(armored.encode("utf-8", "replace"))) > 0
    except Exception:  # the library has no exceptions of its own
        return False
