"""Keccak-256, Ethereum's hash: by a library in C where it has a wheel, ten times as fast; elsewhere by pycryptodome."""

from collections.abc import Callable


def _fastest() -> Callable[[bytes], bytes]:
    try:
        from sha3 import keccak_256
    except ImportError:
        from eth_hash.auto import keccak

        return keccak
    return lambda data: keccak_256(data).digest()


keccak = _fastest()  #: gives the hash of bytes: 32 bytes
