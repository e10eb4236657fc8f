"""Decodes signed transactions: legacy (EIP-155 or before), access list (EIP-2930) and dynamic fee (EIP-1559)."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from coincurve import PublicKey

from cicscenario.chain.flatrlp import encoded_item, flat_list, list_of
from cicscenario.keccak import keccak
from cicscenario.sandbox.node.codec import to_hex
from cicscenario.sandbox.node.errors import JsonRpcError

AccessList = tuple[tuple[str, tuple[int, ...]], ...]

_TWO_EMPTY = b"\x80\x80"  # two empty fields in RLP (EIP-155)
_HALF_N = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0  # EIP-2: the largest s, half of the curve's order
_MAX_NONCE = 2**64 - 2  # EIP-2681


class Transaction(NamedTuple):
    """A decoded transaction and its ``sender``. ``to`` is None for a contract creation; prices are in wei per gas.

    ``chain_id`` is None only in a legacy transaction without replay protection (EIP-155). All fields are plain values: it goes
    from one process to another as a tuple.
    """

    raw: bytes
    hash: bytes
    type: int
    chain_id: int | None
    nonce: int
    max_fee: int
    max_priority_fee: int
    gas: int
    to: str | None
    value: int
    data: bytes
    access_list: AccessList
    v: int
    r: int
    s: int
    sender: str

    @property
    def price(self) -> int:
        """The price paid per gas. The base fee of this node is 0, so it is the tip (in a legacy transaction the gas price)."""
        return min(self.max_fee, self.max_priority_fee)

    @property
    def cost(self) -> int:
        """The balance that the sender needs, in wei."""
        return self.gas * self.max_fee + self.value

    @property
    def intrinsic_gas(self) -> int:
        return intrinsic_gas(self.data, create=self.to is None, access_list=self.access_list)


def intrinsic_gas(data: bytes, *, create: bool, access_list: AccessList = ()) -> int:
    """Gas charged before the first instruction (yellow paper appendix G, EIP-2028, EIP-2930, EIP-3860)."""
    zeros = data.count(0)
    gas = 21_000 + 4 * zeros + 16 * (len(data) - zeros) + access_list_gas(access_list)
    return gas + 32_000 + 2 * ((len(data) + 31) // 32) if create else gas


def floor_gas(data: bytes) -> int:
    """The minimum gas of a transaction with this call data (EIP-7623, Prague)."""
    zeros = data.count(0)
    return 21_000 + 10 * (zeros + 4 * (len(data) - zeros))


def access_list_gas(access_list: AccessList) -> int:
    """2,400 gas for each address and 1,900 for each slot (EIP-2930)."""
    return sum(2_400 + 1_900 * len(slots) for _, slots in access_list) if access_list else 0  # most have none


def decode(raw: bytes, sender: str | None = None) -> Transaction:
    """Decodes a transaction, and recovers its sender unless it is given, which takes half of the time.

    Raises JsonRpcError (invalid params) for anything else.
    """
    try:
        return _DECODERS.get(raw[0], _decode_legacy)(raw, sender)
    except (ValueError, TypeError, IndexError) as error:
        raise JsonRpcError.invalid_params(f"not a signed transaction: {error}") from None


def _decode_legacy(raw: bytes, sender: str | None) -> Transaction:
    nonce, price, gas, to, value, data, v, r, s = _fields(raw, 9)
    body = (nonce, price, price, gas, to, value, data)
    unsigned = _unsigned(raw, v, r, s)
    recovery = int.from_bytes(v)
    if recovery >= 35:
        chain_id, parity = divmod(recovery - 35, 2)
        signed = list_of(unsigned + _protection(chain_id))
        return _build(raw, 0, chain_id, body, [], recovery, parity, r, s, signed, sender)
    return _build(raw, 0, None, body, [], recovery, recovery - 27, r, s, list_of(unsigned), sender)


@lru_cache(maxsize=16)
def _protection(chain_id: int) -> bytes:
    """What is signed instead of a signature (EIP-155)."""
    return encoded_item(chain_id) + _TWO_EMPTY


def _decode_access_list(raw: bytes, sender: str | None) -> Transaction:
    chain_id, nonce, price, *rest, access, parity, r, s = _fields(raw[1:], 11)
    signed = b"\x01" + list_of(_unsigned(raw, parity, r, s, prefix=1))
    y = int.from_bytes(parity)
    return _build(raw, 1, int.from_bytes(chain_id), (nonce, price, price, *rest), access, y, y, r, s, signed, sender)


def _decode_dynamic_fee(raw: bytes, sender: str | None) -> Transaction:
    chain_id, nonce, tip, fee, *rest, access, parity, r, s = _fields(raw[1:], 12)
    signed = b"\x02" + list_of(_unsigned(raw, parity, r, s, prefix=1))
    y = int.from_bytes(parity)
    return _build(raw, 2, int.from_bytes(chain_id), (nonce, fee, tip, *rest), access, y, y, r, s, signed, sender)


_DECODERS = {1: _decode_access_list, 2: _decode_dynamic_fee}


def _fields(payload: bytes, count: int) -> list[Any]:
    fields = flat_list(payload)
    if fields is None:
        fields = _decoded(payload)
    if not isinstance(fields, list) or len(fields) != count:
        raise ValueError(f"expected a list of {count} fields")
    return fields


def _decoded(payload: bytes) -> Any:
    """What the package rlp reads, as lists in a list. It is slow to load. Raises ValueError."""
    import rlp

    try:
        return rlp.decode(payload)
    except rlp.DecodingError as error:
        raise ValueError(str(error)) from None


def _unsigned(raw: bytes, *signature: bytes, prefix: int = 0) -> bytes:
    """The encoded fields before the ``signature``, cut out of ``raw``: encoding them again would give the same bytes.

    ``prefix`` is the number of bytes before the list. The signature's fields are at the end of the list, each short.
    """
    head = raw[prefix]
    begin = prefix + 1 + (head - 0xF7 if head > 0xF7 else 0)
    end = len(raw)
    for field in signature:
        size = len(field)
        end -= 1 if size == 1 and field[0] < 0x80 else 1 + size
    return raw[begin:end]


def _build(
    raw: bytes,
    kind: int,
    chain_id: int | None,
    body: Sequence[bytes],
    access: list[Any],
    v: int,
    parity: int,
    r: bytes,
    s: bytes,
    signed: bytes,
    sender: str | None,
) -> Transaction:
    number = int.from_bytes
    nonce, to = number(body[0]), body[4]
    if nonce > _MAX_NONCE or len(to) not in {0, 20}:
        raise ValueError("nonce or recipient out of range")
    return Transaction(
        raw=raw,
        hash=keccak(raw),
        type=kind,
        chain_id=chain_id,
        nonce=nonce,
        max_fee=number(body[1]),
        max_priority_fee=number(body[2]),
        gas=number(body[3]),
        to=to_hex(to) if to else None,
        value=number(body[5]),
        data=body[6],
        access_list=tuple((to_hex(address), tuple(map(number, slots))) for address, slots in access) if access else (),
        v=v,
        r=number(r),
        s=number(s),
        sender=sender or _recover(signed, parity, r, s),
    )


def _recover(signed: bytes, parity: int, r: bytes, s: bytes) -> str:
    if parity not in {0, 1} or len(r) > 32 or int.from_bytes(s) > _HALF_N or len(s) > 32:
        raise ValueError("the signature is not canonical (EIP-2)")
    signature = r.rjust(32, b"\0") + s.rjust(32, b"\0") + bytes([parity])
    try:
        key = PublicKey.from_signature_and_message(signature, keccak(signed), hasher=None)
    except Exception as error:  # coincurve raises bare Exception when no key matches
        raise ValueError(f"the signature fits no key ({error})") from None
    return _address_of(key.format(compressed=False))


@lru_cache(maxsize=4_096)
def _address_of(key: bytes) -> str:
    """The address of an uncompressed public key; most transactions come from few."""
    return to_hex(keccak(key[1:])[12:])
