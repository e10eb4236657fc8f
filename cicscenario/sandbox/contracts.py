"""Deploys the upstream contracts of either generation, in the order of the stack's own deployment scripts."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rlp
from eth_abi.abi import encode

from cicscenario.chain.abi import selector, text32, to_hex
from cicscenario.chain.rpc import Rpc
from cicscenario.chain.signer import Signer
from cicscenario.keccak import keccak
from cicscenario.sandbox.packages import PACKAGES, Contract, cache_folder, load
from cicscenario.sandbox.receipts import wait_for_receipts

DECIMALS = 6
_WHOLE = 10**DECIMALS
FAUCET_AMOUNT = 50 * _WHOLE  #: base units that the faucet pays each account, once
SUPPLY = 10**12 * _WHOLE  #: base units of each token for the runner, and of GFT for the faucet

#: Names that the registry can hold; they are fixed when it is deployed.
IDENTIFIERS = (
    "AccountRegistry", "TokenRegistry", "AddressDeclarator", "Faucet", "TransferAuthorization", "ContractRegistry",
    "DefaultToken",
)  # fmt: skip
_DESCRIPTION = text32("This is the CIC network")
_TOKEN_PROOF = b'{"description":"Community support","issuer":"cicscenario","namespace":"ge","proofs":[],"version":0}'
_MINUTES_A_MONTH = 30 * 24 * 60
#: Demurrage of 2 % a month: the factor for one minute, as a 64.64 fixed point number.
_DECAY = int(0.98 ** (1 / _MINUTES_A_MONTH) * 2**64)
_CALL_GAS = 400_000


@dataclass(frozen=True)
class Deployment:
    """The contracts' addresses, 20 bytes each."""

    registry: bytes
    accounts_index: bytes
    token_index: bytes
    address_declarator: bytes
    faucet: bytes
    token: bytes  #: GFT, the default token
    demurrage_token: bytes  #: DET


class _Batch:
    """Transactions with consecutive nonces, sent without waiting: a new contract's address follows from the nonce."""

    def __init__(self, rpc: Rpc, signer: Signer, contracts: Mapping[str, Contract]) -> None:
        price, nonce = rpc.calls(
            [("eth_gasPrice", []), ("eth_getTransactionCount", [to_hex(signer.address), "pending"])]
        )
        self._rpc = rpc
        self._signer = signer
        self._contracts = contracts
        self._price = int(price, 16)
        self._nonce = int(nonce, 16)
        self._sent: dict[str, str] = {}  # transaction hash: what the transaction does

    def create(self, name: str, *arguments: Any) -> bytes:
        """Creates contract ``name``, with ``arguments`` for its constructor. Gives the address it will have."""
        contract = self._contracts[name]
        (types,) = ([i["type"] for i in entry["inputs"]] for entry in contract.abi if entry["type"] == "constructor")
        code = contract.bytecode + encode(types, arguments)
        address = keccak(rlp.encode([self._signer.address, self._nonce]))[12:]
        # 200 gas to store a byte and 16 to send it (yellow paper), and 600,000 for the constructor.
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

    def settle(self, *, patience: float = 60.0) -> None:
        """Waits until all transactions are mined. See ``wait_for_receipts``."""
        wait_for_receipts(self._rpc, self._sent, patience=patience)


def deploy(
    url: str,
    owner_key: bytes,
    runner: bytes,
    chain_id: int,
    generation: str,
) -> Deployment:
    """Deploys all contracts of a generation, ``classic`` or ``latest``, to the node at ``url``.

    The owner sends all transactions and owns the contracts. ``runner`` is the account that signs scenarios: it may
    register accounts and mint both tokens, and gets ``SUPPLY`` base units of each. The faucet gets ``SUPPLY`` base units
    of GFT and pays ``FAUCET_AMOUNT`` to each account. The order is that of the stack's contract-migration scripts 1 to 3.
    Raises UnavailableError when a package cannot be downloaded or a transaction fails.
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
        batch.call(made, "mintTo(address,uint256)", runner, SUPPLY)

    accounts = batch.create("AccountsIndex")
    name("AccountRegistry", accounts)
    batch.call(accounts, "addWriter(address)", runner)

    store = batch.create("ERC20FaucetStorage")
    faucet = batch.create("ERC20Faucet", *make.faucet_head, token, store, accounts)
    if make.store_is_owned:
        batch.call(store, "transferOwnership(address)", faucet)
    batch.call(faucet, "setAmount(uint256)", FAUCET_AMOUNT)
    name("Faucet", faucet)
    # This faucet pays from its own balance, unlike the stack's own faucet, which mints.
    batch.call(token, "mintTo(address,uint256)", faucet, SUPPLY)
    for declared, proof in ((token, _TOKEN_PROOF), (token, b"GFT"), (decaying, b"DET")):
        # The owner vouches for the tokens' descriptions and symbols, which the phone interface asks for.
        batch.call(declarator, "addDeclaration(address,bytes32)", declared, hashlib.sha256(proof).digest())
    batch.settle()
    return Deployment(registry, accounts, tokens, declarator, faucet, token, decaying)


@dataclass(frozen=True)
class _Generation:
    """Differences between the generations in the arguments and calls of the deployment."""

    add_minter: str
    token_tail: tuple[int, ...]  #: the latest token takes an expiry time; 0 means never
    faucet_head: tuple[list[bytes], ...]  #: the classic faucet takes a list of overriders
    store_is_owned: bool  #: in the latest generation, only its owner may write to the faucet's store


_CLASSIC = _Generation("addMinter(address)", (), ([],), store_is_owned=False)
_LATEST = _Generation("addWriter(address)", (0,), (), store_is_owned=True)
