"""RLP (yellow paper, appendix B) by the package rlp. It takes a tenth of a second to load, so it is loaded at the first use."""

from collections.abc import Sequence
from typing import Any


def rlp_decoded(data: bytes) -> Any:
    """A string, or a list of such. Raises rlp.DecodingError."""
    import rlp

    return rlp.decode(data)


def rlp_encoded(items: Sequence[Any]) -> bytes:
    """A list of strings, of numbers from 0 on, and of such lists."""
    import rlp

    return bytes(rlp.encode(items))
