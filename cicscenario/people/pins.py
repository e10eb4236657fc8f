"""PINs of people, and the password hashes that cic-ussd verifies them with.

cic-ussd stores ``bcrypt`` hashes since March 2022; earlier versions encrypt the bcrypt hash with Fernet and a pepper. The
scheme depends on the server's version, which its database does not show.
"""

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

import bcrypt
from cryptography.fernet import Fernet, InvalidToken

from cicscenario.errors import InvalidError
from cicscenario.retry import pause

Scheme = Literal["bcrypt", "fernet"]
_T = TypeVar("_T")

#: The bcrypt cost (2^cost rounds) of the cic-ussd versions that use each scheme.
DEFAULT_COST = {"bcrypt": 8, "fernet": 12}
_PIN = re.compile(r"[0-9]{4}")  # cic-ussd accepts nothing else
_BCRYPT = re.compile(r"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}")
_FERNET = re.compile(r"gAAAAA[A-Za-z0-9_=-]+")


class Pins:
    """The PIN of each person: drawn from (seed, index), or taken in turn from a fixed list.

    Raises InvalidError when a PIN of the list is not four digits.
    """

    def __init__(self, seed: int, fixed: Sequence[str] = ()) -> None:
        for number, pin in enumerate(fixed, start=1):
            if not is_pin(pin):
                raise InvalidError(
                    f"PIN number {number} of the list is not four digits", hint='in quotes, such as "0042"'
                )
        self._seed = seed
        self._fixed = tuple(fixed)

    def pin(self, index: int) -> str:
        """The four digits of person ``index``."""
        if self._fixed:
            return self._fixed[index % len(self._fixed)]
        digest = hashlib.sha256(f"{self._seed}|{index}|pin".encode()).digest()
        return f"{int.from_bytes(digest[:8], 'big') % 10_000:04}"


class PinHasher:
    """Makes password hashes on all cores. Thread-safe.

    ``cost`` is the cost of bcrypt, 4 to 31; each step doubles the work. ``pepper`` is the Fernet key of the scheme
    ``fernet``: 32 bytes in base64 of either alphabet. With ``shared``, people with the same PIN get the same bcrypt hash:
    at most ten thousand hashes are made, but readers of the table can see equal PINs. Raises InvalidError for an invalid
    pepper or cost.
    """

    def __init__(
        self, scheme: Scheme, *, cost: int | None = None, pepper: str | None = None, shared: bool = False
    ) -> None:
        self._cost = DEFAULT_COST[scheme] if cost is None else cost
        if not 4 <= self._cost <= 31:
            raise InvalidError(f"bcrypt has no cost {self._cost}", hint="a number from 4 to 31; cic-ussd uses 8")
        self._fernet = _fernet(pepper) if scheme == "fernet" else None
        self._shared: dict[str, bytes] | None = {} if shared else None
        self._lock = threading.Lock()

    def hash(self, pin: str) -> str:
        """The password hash of a PIN: 60 characters of bcrypt, or a Fernet token around them."""
        hashed = self._bcrypt(pin)
        return (self._fernet.encrypt(hashed) if self._fernet else hashed).decode("ascii")

    def hash_many(
        self, pins: Iterable[str], stopping: threading.Event | None = None, threads: int | None = None
    ) -> list[str]:
        """The hashes in the order of the PINs. bcrypt releases the GIL, so threads use all cores, or as many as are given.

        Raises InterruptedRunError when ``stopping`` is set before all are made.
        """
        pins = list(pins)
        if self._shared is not None:
            distinct = [pin for pin in dict.fromkeys(pins) if pin not in self._shared]
            _in_threads(self._bcrypt, distinct, stopping, threads)
        return _in_threads(self.hash, pins, stopping, threads)

    def _bcrypt(self, pin: str) -> bytes:
        if self._shared is None:
            return bcrypt.hashpw(pin.encode(), bcrypt.gensalt(self._cost))
        if pin not in self._shared:
            made = bcrypt.hashpw(pin.encode(), bcrypt.gensalt(self._cost))
            with self._lock:
                self._shared.setdefault(pin, made)
        return self._shared[pin]


def _in_threads(
    work: Callable[[str], _T], pins: list[str], stopping: threading.Event | None, threads: int | None
) -> list[_T]:
    def one(pin: str) -> _T:
        pause(0, stopping)
        return work(pin)

    with ThreadPoolExecutor(threads or os.cpu_count(), "bcrypt") as pool:
        return list(pool.map(one, pins))


def is_pin(text: str) -> bool:
    """Whether cic-ussd accepts the text as a PIN: four digits."""
    return _PIN.fullmatch(text) is not None


def scheme_of(password_hash: str) -> Scheme | None:
    """The scheme of a password hash; None for text that is not a hash, such as a UUID."""
    if _BCRYPT.fullmatch(password_hash):
        return "bcrypt"
    return "fernet" if _FERNET.fullmatch(password_hash) else None


def verify(password_hash: str, pin: str, pepper: str | None = None) -> bool:
    """Whether cic-ussd accepts the PIN for this password hash of either scheme. False for text that is not a hash.

    Raises InvalidError when the hash is encrypted with Fernet and the pepper is missing or invalid.
    """
    scheme = scheme_of(password_hash)
    inner = password_hash.encode()
    if scheme == "fernet":
        try:
            inner = _fernet(pepper).decrypt(inner)
        except (InvalidToken, ValueError, TypeError):
            return False
        if not _BCRYPT.fullmatch(inner.decode("ascii", "replace")):
            return False
    return scheme is not None and _fits(pin, inner)


def _fits(pin: str, hashed: bytes) -> bool:
    """False also for a hash that bcrypt cannot read, such as one of cost 99: cic-ussd accepts no PIN for it."""
    try:
        return bcrypt.checkpw(pin.encode(), hashed)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # its Rust code panics with one that is no Exception
        return False


def _fernet(pepper: str | None) -> Fernet:
    if not pepper:
        raise InvalidError("password hashes of the scheme fernet need a pepper", hint="cic-ussd's APP_PASSWORD_PEPPER")
    try:
        return Fernet(pepper.strip().strip("'\"").replace("+", "-").replace("/", "_"))
    except ValueError:
        raise InvalidError(
            "the pepper is not a Fernet key", hint="32 bytes in base64, as in cic-ussd's APP_PASSWORD_PEPPER"
        ) from None
