"""Results of pure functions of the product that are worth keeping from one simulated run to the next: they take most of the
time, and give the same each time. Nothing here has a state or asks anybody.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import bcrypt
from celery.app import amqp
from eth_abi.abi import decode
from eth_hash.auto import keccak as real_keccak

from cicscenario.chain import keyfile, signer
from cicscenario.chain.contractreader import ViewCall
from cicscenario.chain.signer import Signed, Signer
from cicscenario.services.custodial.messages import Messages
from cicscenario.state import store
from cicscenario.state.integrity import row_digest
from cicscenario.steps.work import pins
from tests.soak.drawn import choice
from tests.soak.primitives import sleep

_MANY = 100_000
_ROWS = 20_000
_HASHING = 0.4  # simulated seconds for a hash
_SALTS = (b"abcdefghijklmnopqrstuu", b"vwxyzABCDEFGHIJKLMNOPO")

keccak = lru_cache(_MANY)(real_keccak)
_sign = Signer.sign
_signed: dict[tuple[Any, ...], Signed] = {}


def _kept_sign(self: Signer, **fields: Any) -> Signed:
    key = (self.address, self.chain_id, *fields.values())
    if key not in _signed:
        _signed[key] = _sign(self, **fields)
    return _signed[key]


@lru_cache(_MANY)
def _decoded(kinds: tuple[str, ...], data: bytes) -> tuple[Any, ...]:
    return decode(kinds, data)


def _kept_decode(kinds: Sequence[str], data: bytes) -> tuple[Any, ...]:
    return _decoded(tuple(kinds), data)


class KeptBcrypt:
    """Stands for ``bcrypt``. Hashing takes simulated time; each PIN has one of two hashes, so that a second one may differ."""

    hashpw, checkpw = staticmethod(lru_cache(_MANY)(bcrypt.hashpw)), staticmethod(lru_cache(_MANY)(bcrypt.checkpw))

    @staticmethod
    def gensalt(cost: int) -> bytes:
        sleep(_HASHING)
        return b"$2b$%02d$%s" % (cost, choice(_SALTS))


def _derived(password: bytes, salt: bytes, *strength: int) -> bytes:
    """Stands for scrypt, which is slow on purpose."""
    return hashlib.sha256(b"%d %s%s" % (len(salt), salt, password)).digest()


#: For ``installed``: pairs, and methods.
PAIRS: list[tuple[Any, Any]] = [
    (bcrypt, KeptBcrypt),
    (keyfile._scrypt, _derived),
    (row_digest, lru_cache(_ROWS, typed=True)(row_digest)),
    (store._person, lru_cache(_ROWS, typed=True)(store._person)),
    (real_keccak, keccak),
    (decode, _kept_decode),
    (signer.address_of, lru_cache(_MANY)(signer.address_of)),
    (signer.derive_key, lru_cache(_MANY)(signer.derive_key)),
    (Messages, lru_cache(Messages)),
]
METHODS: list[tuple[Any, str, Any]] = [
    (pins, "_HASHED_AT_ONCE", 4),  # on any machine
    (amqp, "saferepr", lambda *value, **limits: ""),  # for the log of the worker
    (Signer, "sign", _kept_sign),
    (ViewCall, "as_call", lru_cache(_MANY)(ViewCall.as_call)),
]
