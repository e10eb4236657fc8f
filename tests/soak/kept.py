"""Results of pure functions of the product that are worth keeping from one simulated run to the next: they take most of the
time, and give the same each time. Nothing here has a state, asks anybody or waits.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from eth_hash.auto import keccak as real_keccak

from cicscenario.chain import contractreader, signer
from cicscenario.chain.contractreader import ContractReader
from cicscenario.chain.signer import Signed, Signer
from cicscenario.services.custodial.messages import Messages

_MANY = 100_000

keccak = lru_cache(_MANY)(real_keccak)
_sign = Signer.sign
_contract = ContractReader.contract
_eth_call = contractreader._eth_call
_signed: dict[tuple[Any, ...], Signed] = {}
_contracts: dict[tuple[bytes, int], Any] = {}
_calls: dict[tuple[Any, ...], Any] = {}


def _kept_sign(self: Signer, **fields: Any) -> Signed:
    key = (self.address, self._chain_id, *fields.values())
    if key not in _signed:
        _signed[key] = _sign(self, **fields)
    return _signed[key]


def _kept_contract(self: ContractReader, address: bytes, abi: Sequence[Any]) -> Any:
    key = (address, id(abi))  # the descriptions are constants of a module
    if key not in _contracts:
        _contracts[key] = _contract(self, address, abi)
    return _contracts[key]


def _kept_call(call: Any) -> Any:
    key = (call.address, str(call.abi), *call.args)
    if key not in _calls:
        _calls[key] = _eth_call(call)
    return _calls[key]


#: For ``installed``: pairs, and methods.
PAIRS: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
    (real_keccak, keccak),
    (signer.address_of, lru_cache(_MANY)(signer.address_of)),
    (signer.derive_key, lru_cache(_MANY)(signer.derive_key)),
    (_eth_call, _kept_call),
    (Messages, lru_cache(Messages)),
]
METHODS: list[tuple[type, str, Any]] = [
    (Signer, "sign", _kept_sign),
    (ContractReader, "contract", _kept_contract),
]
