"""Decodes raw signed transactions: legacy, access list (EIP-2930) and dynamic fee (EIP-1559)."""

from dataclasses import dataclass

import coincurve
import rlp
from eth_hash.auto import keccak


class BadTransactionError(ValueError):
    """The bytes are not a transaction that this chain takes."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """A decoded transaction; prices and value in wei. ``to`` is empty for the creation of a contract."""

    raw: bytes
    hash: bytes
    kind: int
    sender: bytes
    nonce: int
    gas_price: int  #: the most that is paid for gas; with base fee 0 that is also what is paid for legacy ones
    priority: int
    gas: int
    to: bytes
    value: int
    data: bytes
    access_list: tuple[tuple[bytes, tuple[int, ...]], ...]
    v: int
    r: int
    s: int

    @property
    def price(self) -> int:
        """What is paid for gas on a chain whose base fee is 0."""
        return min(self.gas_price, self.priority)


def decode(raw: bytes, chain_id: int) -> Transaction:
    """Raises BadTransactionError for anything that is not a well-signed transaction for ``chain_id``."""
    try:
        if raw[0] in (1, 2):
            return _typed(raw, chain_id)
        return _legacy(raw, chain_id)
    except BadTransactionError:
        raise
    except Exception as error:
        raise BadTransactionError(f"cannot decode transaction: {error}") from None


def _int(field: bytes) -> int:
    return int.from_bytes(field, "big")


def _legacy(raw: bytes, chain_id: int) -> Transaction:
    nonce, price, gas, to, value, data, v, r, s = rlp.decode(raw)
    recovery = _int(v) - 27
    unsigned = [nonce, price, gas, to, value, data]
    if recovery not in (0, 1):
        recovery = _int(v) - 35 - 2 * chain_id
        if recovery not in (0, 1):
            raise BadTransactionError("invalid chain id for signer")
        unsigned += [chain_id, b"", b""]
    sender = _recover(keccak(rlp.encode(unsigned)), recovery, _int(r), _int(s))
    price_wei = _int(price)
    return Transaction(
        raw, keccak(raw), 0, sender, _int(nonce), price_wei, price_wei, _int(gas), _address(to), _int(value), data, (),
        _int(v), _int(r), _int(s),
    )  # fmt: skip


def _typed(raw: bytes, chain_id: int) -> Transaction:
    fields = rlp.decode(raw[1:])
    *unsigned, y, r, s = fields
    chain, nonce, *prices, gas, to, value, data, access = unsigned
    if _int(chain) != chain_id:
        raise BadTransactionError("invalid chain id for signer")
    if len(prices) != raw[0]:
        raise BadTransactionError("cannot decode transaction: wrong number of fields")
    sender = _recover(keccak(raw[:1] + rlp.encode(unsigned)), _int(y), _int(r), _int(s))
    accesses = tuple((address, tuple(_int(key) for key in keys)) for address, keys in access)
    return Transaction(
        raw, keccak(raw), raw[0], sender, _int(nonce), _int(prices[-1]), _int(prices[0]), _int(gas), _address(to),
        _int(value), data, accesses, _int(y), _int(r), _int(s),
    )  # fmt: skip


def _address(field: bytes) -> bytes:
    if len(field) not in (0, 20):
        raise BadTransactionError(f"cannot decode transaction: an address of {len(field)} bytes")
    return field


def _recover(digest: bytes, recovery: int, r: int, s: int) -> bytes:
    if s > _HALF_ORDER:
        raise BadTransactionError("invalid transaction v, r, s values")  # EIP-2
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([recovery])
    public = coincurve.PublicKey.from_signature_and_message(signature, digest, hasher=None)
    return keccak(public.format(compressed=False)[1:])[12:]


_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
