"""Private keys and transaction signatures, with libsecp256k1: thirty thousand signatures a second on one core."""

import hashlib
import hmac
from dataclasses import dataclass

import coincurve

from cicscenario.chain.flatrlp import encoded_item, encoded_items, list_of
from cicscenario.chain.gasprice import DynamicFee, GasPrice
from cicscenario.keccak import keccak

KEY_BYTES = 32
DYNAMIC_FEE = b"\x02"  #: the type of an EIP-1559 transaction, its first byte


_NO_ACCESS = list_of(b"")  # an empty access list
_TWO_EMPTY = encoded_item(0) * 2  # EIP-155: in the place of r and s, where the transaction is signed


def why_not_a_key(key: bytes) -> str | None:
    """What is wrong with a private key, to follow "a private key that"; None for one that the curve has."""
    if len(key) != KEY_BYTES:
        return f"has {len(key)} bytes, expected {KEY_BYTES}"
    number = int.from_bytes(key, "big")
    if number == 0:
        return "is zero"
    return None if number < _ORDER else "is not below the order of the curve secp256k1"


def address_of(private_key: bytes) -> bytes:
    """The 20-byte address of a 32-byte private key."""
    return _address(coincurve.PublicKey.from_secret(private_key))


def _address(public: coincurve.PublicKey) -> bytes:
    return keccak(public.format(compressed=False)[1:])[12:]


def derive_key(secret: bytes, person: int) -> bytes:
    """The private key of person ``person``, derived from the run's 32-byte secret with HMAC-SHA256.

    A value outside the curve's range is replaced by the next one. Since keys are derived, none can be lost in a crash, and
    none is stored in the state.
    """
    for attempt in range(256):
        key = hmac.digest(secret, b"account:%d:%d" % (person, attempt), hashlib.sha256)
        if why_not_a_key(key) is None:
            return key
    raise AssertionError("unreachable: each draw fails with probability 2**-127")


_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@dataclass(frozen=True)
class Signed:
    """A signed transaction: ``raw`` is what is sent, ``hash`` identifies it."""

    raw: bytes
    hash: bytes


class Signer:
    """Signs transactions for one key on one chain: legacy ones with replay protection (EIP-155), and those of EIP-1559."""

    def __init__(self, private_key: bytes, chain_id: int) -> None:
        self._key = coincurve.PrivateKey(private_key)
        self.chain_id = chain_id
        self.address = _address(self._key.public_key)

    def __repr__(self) -> str:
        return f"Signer(0x{self.address.hex()})"

    def sign(self, *, nonce: int, gas_price: GasPrice, gas: int, to: bytes, value: int, data: bytes) -> Signed:
        """``gas_price`` and ``value`` in wei, ``gas`` is the limit. The type follows from the kind of price."""
        if isinstance(gas_price, DynamicFee):
            return self._dynamic(nonce, gas_price, gas, to, value, data)
        body = encoded_items((nonce, gas_price, gas, to, value, data))
        digest = keccak(list_of(body + encoded_item(self.chain_id) + _TWO_EMPTY))
        parity, r, s = self._signature(digest)
        raw = list_of(body + encoded_items((parity + 35 + 2 * self.chain_id, r, s)))
        return Signed(raw, keccak(raw))

    def _dynamic(self, nonce: int, fee: DynamicFee, gas: int, to: bytes, value: int, data: bytes) -> Signed:
        """A transaction of EIP-1559, with an empty access list; EIP-2718: its type comes first."""
        body = encoded_items((self.chain_id, nonce, fee.priority, fee.most, gas, to, value, data)) + _NO_ACCESS
        digest = keccak(DYNAMIC_FEE + list_of(body))
        raw = DYNAMIC_FEE + list_of(body + encoded_items(self._signature(digest)))
        return Signed(raw, keccak(raw))

    def _signature(self, digest: bytes) -> tuple[int, int, int]:
        """The parity of the curve point, r and s."""
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[64], int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
