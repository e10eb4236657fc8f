"""Deploys the upstream contracts in the stack's own order, in either generation."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rlp
from eth_abi.abi import encode
from eth_hash.auto import keccak

from cicscenario.chain.abi import selector, text32, to_hex
from cicscenario.chain.rpc import Rpc
from cicscenario.chain.signer import Signer
from cicscenario.errors import UnavailableError
from cicscenario.sandbox.packages import PACKAGES, Contract, cache_folder, load

DECIMALS = 6
_WHOLE = 10**DECIMALS
FAUCET_AMOUNT = 50 * _WHOLE  #: base units that the faucet pays each account, once
SUPPLY = 10**12 * _WHOLE  #: base units of each token for the runner, and of GFT for the faucet

#: Names that the registry can hold; it takes no others later.
IDENTIFIERS = (
    "AccountRegistry", "TokenRegistry", "AddressDeclarator", "Faucet", "TransferAuthorization", "ContractRegistry",
    "DefaultToken",
)  # fmt: skip
_DESCRIPTION = text32("This is the CIC network")
_TOKEN_PROOF = b'{"description":"Community support","issuer":"cicscenario","namespace":"ge","proofs":[],"version":0}'
_MINUTES_A_MONTH = 30 * 24 * 60
#: Demurrage of 2 % a month, as the 64.64 fixed point factor of one minute.
_DECAY = int(0.98 ** (1 / _MINUTES_A_MONTH) * 2**64)
_CALL_GAS = 400_000
_PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class Deployment:
    """Where everything is; addresses of 20 bytes."""

    registry: bytes
    accounts_index: bytes
    token_index: bytes
    address_declarator: bytes
    faucet: bytes
    token: bytes  #: GFT, the default token
    demurrage_token: bytes  #: DET


class _Batch:
    """Transactions with consecutive nonces, sent without waiting: where a contract will be follows from the nonce."""

    def __init__(self, rpc: Rpc, signer: Signer, contracts: Mapping[str, Contract]) -> None:
        price, nonce = rpc.calls(
            [("eth_gasPrice", []), ("eth_getTransactionCount", [to_hex(signer.address), "pending"])]
        )
        self._rpc = rpc
        self._signer = signer
        self._contracts = contracts
        self._price = int(price, 16)
        self._nonce = int(nonce, 16)
        self._sent: dict[str, str] = {}  # what for, by transaction hash

    def create(self, name: str, *arguments: Any) -> bytes:
        """Creates contract ``name``; the arguments are encoded as its ABI says. Gives the address it will have."""
        contract = self._contracts[name]
        (types,) = ([i["type"] for i in entry["inputs"]] for entry in contract.abi if entry["type"] == "constructor")
        code = contract.bytecode + encode(types, arguments)
        address = keccak(rlp.encode([self._signer.address, self._nonce]))[12:]
        # 200 gas to keep a byte and 16 to send it (the yellow paper's), and some for what the constructor stores.
        self._send(f"create {name}", b"", code, gas=600_000 + 216 * len(code))
        return address

    def call(self, contract: bytes, function: str, *arguments: Any) -> None:
        """Calls ``function``, a signature such as ``mintTo(address,uint256)``."""
        types = function.partition("(")[2].rstrip(")").split(",")
        self._send(function, contract, selector(function) + encode(types, arguments), gas=_CALL_GAS)

    def _send(self, what: str, to: bytes, data: bytes, gas: int) -> None:
        signed = self._signer.sign(nonce=self._nonce, gas_price=self._price, gas=gas, to=to, value=0, data=data)
        self._rpc.call("eth_sendRawTransaction", to_hex(signed.raw))
        self._sent[to_hex(signed.hash)] = what
        self._nonce += 1

    def settle(self) -> None:
        """Waits until all is mined; raises UnavailableError when that does not happen, or a transaction failed."""
        deadline = time.monotonic() + _PATIENCE
        receipts = [("eth_getTransactionReceipt", [sent]) for sent in self._sent]
        while None in (found := self._rpc.calls(receipts)):
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"{self._rpc.url} has mined {len(found) - found.count(None)} of the {len(found)} transactions that"
                    f" make the contracts in {_PATIENCE:.0f} seconds; the first that is missing:"
                    f" {list(self._sent.values())[found.index(None)]}"
                )
            time.sleep(0.05)
        for what, receipt in zip(self._sent.values(), found, strict=True):
            if int(receipt["status"], 16) != 1:
                raise UnavailableError(f"{self._rpc.url}: {what} failed, transaction {receipt['transactionHash']}")


def deploy(
    url: str,
    owner_key: bytes,
    runner: bytes,
    chain_id: int,
    generation: str,
    *,
    faucet_amount: int = FAUCET_AMOUNT,
    supply: int = SUPPLY,
) -> Deployment:
    """Deploys a whole set of a generation, ``classic`` or ``latest``, to the node at ``url``.

    The owner sends all of it and keeps the rights over the contracts. The ``runner``, whom scenarios are signed by, may
    register accounts and mint both tokens. It gets ``supply`` base units of each; so does the faucet, of GFT, of which it
    pays ``faucet_amount`` to an account. Raises UnavailableError when a package cannot be fetched or a transaction fails.
    Order: the stack's contract-migration scripts 1 to 3.
    """
    contracts = load(PACKAGES[generation], cache_folder() / "contracts" / generation)
    signer = Signer(owner_key, chain_id)
    batch = _Batch(Rpc(url), signer, contracts)
    make = _LATEST if generation == "latest" else _CLASSIC
    owner = signer.address

    declarator = batch.create("AddressDeclarator", _DESCRIPTION)
    registry = batch.create("Registry", [text32(name) for name in IDENTIFIERS])

    def name(identifier: str, contract: bytes) -> None:
        batch.call(registry, "set(bytes32,address)", text32(identifier), contract)

    name("ContractRegistry", registry)
    name("AddressDeclarator", declarator)
    tokens = batch.create("TokenUniqueSymbolIndex")
    name("TokenRegistry", tokens)
    batch.call(tokens, "addWriter(address)", owner)

    token = batch.create("GiftableToken", "Giftable Token", "GFT", DECIMALS, *make.token_tail)
    name("DefaultToken", token)
    decaying = batch.create(
        "DemurrageTokenSingleNocap", "Demurrage Token", "DET", DECIMALS, _DECAY, _MINUTES_A_MONTH, owner
    )
    for made in (token, decaying):
        batch.call(tokens, "register(address)", made)
        for minter in dict.fromkeys((owner, runner)):
            batch.call(made, make.add_minter, minter)
        batch.call(made, "mintTo(address,uint256)", runner, supply)

    accounts = batch.create("AccountsIndex")
    name("AccountRegistry", accounts)
    batch.call(accounts, "addWriter(address)", runner)

    store = batch.create("ERC20FaucetStorage")
    faucet = batch.create("ERC20Faucet", *make.faucet_head, token, store, accounts)
    if make.store_is_owned:
        batch.call(store, "transferOwnership(address)", faucet)
    batch.call(faucet, "setAmount(uint256)", faucet_amount)
    name("Faucet", faucet)
    # The packages' faucet pays from its own balance; the stack's own one mints.
    batch.call(token, "mintTo(address,uint256)", faucet, supply)
    batch.call(declarator, "addDeclaration(address,bytes32)", token, hashlib.sha256(_TOKEN_PROOF).digest())
    batch.settle()
    return Deployment(registry, accounts, tokens, declarator, faucet, token, decaying)


@dataclass(frozen=True)
class _Generation:
    """What differs between the generations in how the contracts are made."""

    add_minter: str
    token_tail: tuple[int, ...]  #: the latest token can expire; 0 is never
    faucet_head: tuple[list[bytes], ...]  #: the classic faucet has overriders
    store_is_owned: bool  #: only its owner may write to the latest faucet's store


_CLASSIC = _Generation("addMinter(address)", (), ([],), store_is_owned=False)
_LATEST = _Generation("addWriter(address)", (0,), (), store_is_owned=True)
