"""Stands for the modules ``uuid`` and ``secrets``: what the product draws comes from the seed."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar
from uuid import NAMESPACE_URL as NAMESPACE_URL
from uuid import UUID

_T = TypeVar("_T")
_SECRET = 32  # bytes of a secret
_UUID_BITS, _UUID_VERSION_4 = 0xF << 76 | 0x3 << 62, 0x4 << 76 | 0x2 << 62  # version and variant. Source: RFC 9562


class _Source:
    random = Random(0)
    secret = "5e"


def draw_from(random: Random) -> None:
    _Source.random = random


def secret(pair: str) -> None:
    """The next secret is these two hexadecimal digits, repeated."""
    _Source.secret = pair


def choice(items: Sequence[_T]) -> _T:
    return _Source.random.choice(items)


def uuid_text(random: Random) -> str:
    """A random UUID of version 4, as text."""
    digits = f"{random.getrandbits(128) & ~_UUID_BITS | _UUID_VERSION_4:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class Uuids:
    """Stands for ``uuid``."""

    @staticmethod
    def uuid4() -> UUID:
        return UUID(int=_Source.random.getrandbits(128), version=4)


class Secrets:
    """Stands for ``secrets``. The first secret of a run is always the same: so its accounts are, whose signatures can be kept."""

    @staticmethod
    def token_hex(number: int) -> str:
        if number < _SECRET or not _Source.secret:
            return _Source.random.randbytes(number).hex()
        pair, _Source.secret = _Source.secret, ""
        return pair * number

    @staticmethod
    def token_bytes(number: int) -> bytes:
        return _Source.random.randbytes(number)
