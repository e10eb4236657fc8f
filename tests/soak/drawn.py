"""Stands for the modules ``uuid`` and ``secrets``: what the product draws comes from the seed."""

from random import Random
from uuid import NAMESPACE_URL as NAMESPACE_URL
from uuid import UUID

_SECRET = 32  # bytes of a secret


class _Source:
    random = Random(0)
    secret = "5e"


def draw_from(random: Random) -> None:
    _Source.random = random


def secret(pair: str) -> None:
    """From now on secrets are these two hexadecimal digits, repeated."""
    _Source.secret = pair


class Uuids:
    """Stands for ``uuid``."""

    @staticmethod
    def uuid4() -> UUID:
        return UUID(int=_Source.random.getrandbits(128), version=4)


class Secrets:
    """Stands for ``secrets``. The secret of a run is always the same: so its accounts are, whose signatures can be kept."""

    @staticmethod
    def token_hex(number: int) -> str:
        return _Source.secret * number if number >= _SECRET else _Source.random.randbytes(number).hex()

    @staticmethod
    def token_bytes(number: int) -> bytes:
        return _Source.random.randbytes(number)
