"""RLP (yellow paper, appendix B) by the package rlp. It takes a tenth of a second to load, so it is loaded at the first use."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any


def rlp_decoded(data: bytes) -> Any:
    """A string, or a list of such. Raises rlp.DecodingError."""
    import rlp

    return rlp.decode(data)


def rlp_encoded(items: Sequence[Any]) -> bytes:
    """A list of strings, of numbers from 0 on, and of such lists."""
    import rlp

    return bytes(rlp.encode(items))


@cache
def legacy_encoder() -> Callable[[Sequence[int | bytes]], bytes]:
    """Encodes a transaction: nonce, gas price, gas limit, to, value, data, v, r, s.

    rlp could infer the types, but that takes longer than encoding.
    """
    import rlp
    from rlp.sedes import List, big_endian_int, binary

    form = List([big_endian_int] * 3 + [binary, big_endian_int, binary] + [big_endian_int] * 3)
    return lambda fields: bytes(rlp.encode(fields, form))
