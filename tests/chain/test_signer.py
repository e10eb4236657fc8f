"""Signatures are what every Ethereum library makes of the same key."""

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from cicscenario.chain.gasprice import DynamicFee
from cicscenario.chain.signer import Signer, address_of, derive_key

KEYS = st.integers(1, 2**255).map(lambda number: number.to_bytes(32, "big"))


@given(
    KEYS,
    st.integers(0, 2**40),
    st.integers(0, 10**12),
    st.integers(21000, 10**7),
    st.integers(0, 10**24),
    st.binary(max_size=100),
    st.integers(1, 65535),
)
def test_a_signed_transaction_equals_the_reference_librarys(
    key: bytes, nonce: int, price: int, gas: int, value: int, data: bytes, chain: int
) -> None:
    to = bytes(range(20))
    ours = Signer(key, chain).sign(nonce=nonce, gas_price=price, gas=gas, to=to, value=value, data=data)
    theirs = Account.sign_transaction(
        {
            "nonce": nonce,
            "gasPrice": price,
            "gas": gas,
            "to": "0x" + to.hex(),
            "value": value,
            "data": data,
            "chainId": chain,
        },
        key,
    )
    assert ours.raw == bytes(theirs.raw_transaction)
    assert ours.hash == bytes(theirs.hash)


@given(
    KEYS,
    st.integers(0, 2**40),
    st.tuples(st.integers(0, 10**12), st.integers(0, 10**12)).map(sorted),
    st.integers(21000, 10**7),
    st.integers(0, 10**24),
    st.binary(max_size=100),
    st.integers(1, 2**62),
)
def test_so_does_one_with_the_fees_of_eip_1559(
    key: bytes, nonce: int, fees: list[int], gas: int, value: int, data: bytes, chain: int
) -> None:
    priority, most = fees
    to, price = bytes(range(20)), DynamicFee(most, priority)
    ours = Signer(key, chain).sign(nonce=nonce, gas_price=price, gas=gas, to=to, value=value, data=data)
    fields = {"nonce": nonce, "gas": gas, "to": "0x" + to.hex(), "value": value, "data": data, "chainId": chain}
    theirs = Account.sign_transaction(fields | {"maxFeePerGas": most, "maxPriorityFeePerGas": priority}, key)
    assert ours.raw == bytes(theirs.raw_transaction)
    assert ours.hash == bytes(theirs.hash)


@given(KEYS)
def test_the_address_equals_the_reference_librarys(key: bytes) -> None:
    assert address_of(key) == bytes.fromhex(Account.from_key(key).address[2:])


def test_keys_are_derived_from_the_secret_and_the_person_alone() -> None:
    secret = bytes(32)
    assert derive_key(secret, 0) == derive_key(secret, 0)
    assert (
        len({derive_key(secret, n) for n in range(1000)} | {derive_key(b"\x01" * 32, n) for n in range(1000)}) == 2000
    )
    # HMAC-SHA256 of "account:0:0" under 32 zero bytes: states of earlier versions depend on it.
    assert derive_key(secret, 0).hex() == "b2adae0feaf15a429566ebacfef6ebf6b16601c20b71aa8883e80f9b36ced199"


def test_a_signer_does_not_show_its_key() -> None:
    key = bytes.fromhex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")
    signer = Signer(key, 1)
    assert repr(signer) == "Signer(0x2c7536e3605d9c16a7a3d7b1898e529396a65c23)"
    with pytest.raises(AttributeError):
        signer.private_key  # noqa: B018
