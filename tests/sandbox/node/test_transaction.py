"""Signed transactions as the node decodes them: the sender is who signed, whatever the fields' sizes; damage is refused."""

from typing import Any

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st

from cicscenario.sandbox.node.errors import JsonRpcError
from cicscenario.sandbox.node.transaction import decode
from tests.support.running_node import RICH

#: Around the sizes at which RLP writes a list's length in another way: 55, 255 and 65,535 bytes.
SIZES = st.one_of(st.integers(0, 60), st.integers(130, 260), st.just(66_000))
KINDS: dict[str, dict[str, Any]] = {
    "before EIP-155": {"gasPrice": 1},
    "EIP-155": {"gasPrice": 1, "chainId": 8996},
    "a large chain id": {"gasPrice": 1, "chainId": 2**62},
    "access list": {
        "type": 1,
        "gasPrice": 1,
        "chainId": 8996,
        "accessList": [{"address": RICH.address, "storageKeys": ["0x" + "01" * 32]}],
    },
    "dynamic fee": {"type": 2, "maxFeePerGas": 2, "maxPriorityFeePerGas": 1, "chainId": 1},
}


def signed(kind: str, **fields: Any) -> bytes:
    whole = {"nonce": 0, "gas": 21_000, "to": RICH.address, "value": 0, "data": b""} | KINDS[kind] | fields
    return bytes(RICH.sign_transaction(whole).raw_transaction)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(sorted(KINDS)), SIZES, st.integers(0, 2**64 - 2), st.integers(0, 2**200))
def test_the_sender_is_who_signed(kind: str, size: int, nonce: int, value: int) -> None:
    tx = decode(signed(kind, data=b"\7" * size, nonce=nonce, value=value))
    assert tx.sender == RICH.address.lower()
    assert (tx.nonce, tx.value, len(tx.data)) == (nonce, value, size)


@pytest.mark.parametrize("field", [6, 7, 8], ids=["v", "r", "s"])
@pytest.mark.parametrize("with_", [b"\1" * 33, b"\1" * 60, [b"\1"]], ids=["33 bytes", "60 bytes", "a list"])
def test_a_signature_of_another_form_is_nobodys(field: int, with_: Any) -> None:
    fields = rlp.decode(signed("EIP-155"))
    fields[field] = with_
    try:
        sender = decode(rlp.encode(fields)).sender
    except JsonRpcError:
        return
    assert sender != RICH.address.lower()
