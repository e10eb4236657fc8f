"""PIN hashes of both generations. Source: cic-ussd, ``encoder.py``."""

from typing import Protocol

import bcrypt
from cryptography.fernet import Fernet

#: The key of PIN hashes that cic-ussd's own composition of 2021 is shipped with; known to everybody.
PEPPER = b"QYbzKff6NhiQzY3ygl2BkiKOpER8RE/Upqs/5aZWW+I="
_LONGEST = 72  # bytes that bcrypt looks at; today's library refuses more instead of ignoring them


class PinScheme(Protocol):
    """One way of keeping a PIN."""

    def hash(self, pin: str) -> str:
        """A new hash of a PIN, as it is kept in the account table."""

    def matches(self, pin: str, hashed: str | None) -> bool:
        """Whether a hash is of this PIN. Raises an exception, as cic-ussd does, for what is no hash at all."""


class BcryptPinScheme:
    """Bare bcrypt, since 2022-03."""

    def __init__(self, cost: int = 8) -> None:
        self._cost = cost

    def hash(self, pin: str) -> str:
        return bcrypt.hashpw(pin.encode()[:_LONGEST], bcrypt.gensalt(self._cost)).decode()

    def matches(self, pin: str, hashed: str | None) -> bool:
        if hashed is None:
            raise ValueError("the account has no PIN")
        return bcrypt.checkpw(pin.encode()[:_LONGEST], hashed.encode())


class FernetPinScheme:
    """A bcrypt hash within a Fernet token, until 2022-03. ``pepper`` is the token's key, in base64."""

    def __init__(self, pepper: bytes = PEPPER) -> None:
        self._fernet = Fernet(pepper)
        self._inner = BcryptPinScheme(12)

    def hash(self, pin: str) -> str:
        return self._fernet.encrypt(self._inner.hash(pin).encode()).decode()

    def matches(self, pin: str, hashed: str | None) -> bool:
        if hashed is None:
            raise ValueError("the account has no PIN")
        return self._inner.matches(pin, self._fernet.decrypt(hashed.encode()).decode())
