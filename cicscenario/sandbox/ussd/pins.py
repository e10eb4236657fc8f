"""PIN hashes, as cic-ussd makes them since 2022-03 and before. Source: cic-ussd, ``encoder.py``."""

from typing import Protocol

import bcrypt
from cryptography.fernet import Fernet

#: The key for PIN hashes in the published configuration of cic-ussd of 2021. It is public, so it protects nothing.
PEPPER = b"QYbzKff6NhiQzY3ygl2BkiKOpER8RE/Upqs/5aZWW+I="
_LONGEST = 72  # bytes that bcrypt uses; today's library refuses a longer input, older ones cut it


class PinScheme(Protocol):
    """A format of PIN hashes."""

    def hash(self, pin: str) -> str:
        """A new hash of a PIN, for the account table."""

    def matches(self, pin: str, hashed: str | None) -> bool:
        """Whether ``hashed`` is a hash of this PIN. Raises an exception, as cic-ussd does, when it is not a hash."""


class BcryptPinScheme:
    """A plain bcrypt hash; the format since 2022-03."""

    def __init__(self, cost: int = 8) -> None:
        self._cost = cost

    def hash(self, pin: str) -> str:
        return bcrypt.hashpw(pin.encode()[:_LONGEST], bcrypt.gensalt(self._cost)).decode()

    def matches(self, pin: str, hashed: str | None) -> bool:
        if hashed is None:
            raise ValueError("the account has no PIN")
        return bcrypt.checkpw(pin.encode()[:_LONGEST], hashed.encode())


class FernetPinScheme:
    """A bcrypt hash in a Fernet token; the format until 2022-03. ``pepper`` is the token's key, in base64."""

    def __init__(self, pepper: bytes = PEPPER, cost: int = 12) -> None:
        self._fernet = Fernet(pepper)
        self._inner = BcryptPinScheme(cost)

    def hash(self, pin: str) -> str:
        return self._fernet.encrypt(self._inner.hash(pin).encode()).decode()

    def matches(self, pin: str, hashed: str | None) -> bool:
        if hashed is None:
            raise ValueError("the account has no PIN")
        return self._inner.matches(pin, self._fernet.decrypt(hashed.encode()).decode())
