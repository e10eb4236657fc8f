"""Keccak-256 is what Ethereum says, with the library in C and without it."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicscenario.keccak import keccak

#: Of Ethereum: the hash of no bytes (the code of an account without code), and that of ``AddressAdded(address)`` and others.
KNOWN = {
    b"": "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
    b"Transfer(address,address,uint256)": "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
}
WITHOUT = """
import sys
sys.modules["sha3"] = None
from cicscenario.keccak import keccak
print(keccak(bytes.fromhex(sys.argv[1])).hex())
"""


@pytest.mark.parametrize("data", KNOWN)
def test_it_is_that_of_ethereum(data: bytes) -> None:
    assert keccak(data).hex() == KNOWN[data]
    done = subprocess.run([sys.executable, "-c", WITHOUT, data.hex()], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == KNOWN[data], "without the library in C"


@given(st.binary(max_size=500))
def test_both_libraries_agree(data: bytes) -> None:
    from eth_hash.backends import pycryptodome

    assert keccak(data) == pycryptodome.backend.keccak256(data)
