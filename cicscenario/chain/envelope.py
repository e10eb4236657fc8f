"""Signed transactions as JSON-RPC gives them, and their bytes again.

Sources: EIP-155 (legacy), EIP-2930 and EIP-1559 (types 1 and 2), EIP-2718 (the type comes first).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cicscenario.chain.abi import from_hex
from cicscenario.chain.gasprice import DynamicFee, GasPrice, most_of
from cicscenario.chain.proof import SentCall
from cicscenario.chain.rlpcode import rlp_decoded, rlp_encoded
from cicscenario.keccak import keccak


@dataclass(frozen=True)
class ChainTransaction:
    """A transaction that a node has. ``gas`` is its limit, ``block`` the number of its block.

    ``raw`` are the signed bytes; None when they cannot be made again from what the node gives.
    """

    hash: bytes
    nonce: int
    gas: int
    call: SentCall
    block: int
    raw: bytes | None

    @classmethod
    def of(cls, fields: Mapping[str, Any], block: int) -> "ChainTransaction":
        """From a transaction object of JSON-RPC. Raises KeyError, TypeError or ValueError for another form."""
        digest = from_hex(fields["hash"])
        raw = _raw(fields)
        call = SentCall(_address(fields), _number(fields["value"]), from_hex(_data(fields)))
        known = raw if raw is not None and keccak(raw) == digest else None
        return cls(digest, _number(fields["nonce"]), _number(fields["gas"]), call, block, known)


def fees_of(raw: bytes) -> GasPrice:
    """What a signed transaction offers for gas, in wei."""
    typed = raw[0] in (1, 2)
    fields = rlp_decoded(raw[1:] if typed else raw)
    if raw[0] == 2:
        return DynamicFee(most=int.from_bytes(fields[3]), priority=int.from_bytes(fields[2]))
    return int.from_bytes(fields[2 if typed else 1])


def gas_price_of(raw: bytes) -> int:
    """The gas price of a signed transaction in wei; of EIP-1559, the most that it pays."""
    return most_of(fees_of(raw))


def _raw(fields: Mapping[str, Any]) -> bytes | None:
    """The signed bytes, if the type is a known one."""
    kind = _number(fields.get("type") or "0x0")
    encode = _ENCODINGS.get(kind)
    return encode(fields) if encode else None


def _legacy(fields: Mapping[str, Any]) -> bytes:
    body = [_number(fields["nonce"]), _number(fields["gasPrice"]), *_message(fields), *_signature(fields)]
    return rlp_encoded(body)


def _with_access_list(fields: Mapping[str, Any]) -> bytes:
    return _typed(1, fields, [_number(fields["gasPrice"])])


def _with_dynamic_fee(fields: Mapping[str, Any]) -> bytes:
    return _typed(2, fields, [_number(fields["maxPriorityFeePerGas"]), _number(fields["maxFeePerGas"])])


def _typed(kind: int, fields: Mapping[str, Any], fees: list[int]) -> bytes:
    access = [
        [from_hex(entry["address"]), [from_hex(key) for key in entry["storageKeys"]]]
        for entry in fields.get("accessList") or ()
    ]
    body = [_number(fields["chainId"]), _number(fields["nonce"]), *fees, *_message(fields), access, *_signature(fields)]
    return bytes([kind]) + rlp_encoded(body)


def _message(fields: Mapping[str, Any]) -> list[int | bytes]:
    return [_number(fields["gas"]), _address(fields), _number(fields["value"]), from_hex(_data(fields))]


def _signature(fields: Mapping[str, Any]) -> list[int]:
    parity = fields["v"] if fields.get("v") is not None else fields["yParity"]
    return [_number(parity), _number(fields["r"]), _number(fields["s"])]


def _address(fields: Mapping[str, Any]) -> bytes:
    """The recipient; empty for a transaction that creates a contract."""
    return from_hex(fields["to"]) if fields.get("to") else b""


def _data(fields: Mapping[str, Any]) -> str:
    text = fields["input"] if fields.get("input") is not None else fields["data"]
    return str(text)


def _number(quantity: str) -> int:
    return int(quantity, 16)


_ENCODINGS: Mapping[int, Callable[[Mapping[str, Any]], bytes]] = {
    0: _legacy,
    1: _with_access_list,
    2: _with_dynamic_fee,
}
