"""Deploys the upstream contracts in the stack's own order (contract-migration), in either generation."""

import hashlib
import time
from dataclasses import dataclass
from typing import Any

import rlp
from eth_hash.auto import keccak

from cicscenario.chain.abi import text32, to_hex
from cicscenario.chain.rpc import Rpc
from cicscenario.chain.signer import Signer
from cicscenario.errors import UnavailableError
from cicscenario.people.person import checksum
from cicscenario.sandbox.packages import load

DECIMALS = 6
_WHOLE = 10**DECIMALS
FAUCET_AMOUNT = 50 * _WHOLE  #: base units that the faucet pays each account, once
SUPPLY = 10**12 * _WHOLE  #: base units of each token for the signer, and of GFT for the faucet
_IDENTIFIERS = (
    "AccountRegistry", "TokenRegistry", "AddressDeclarator", "Faucet", "TransferAuthorization", "ContractRegistry",
    "DefaultToken",
)  # fmt: skip
_MINUTES_A_MONTH = 30 * 24 * 60
#: Demurrage of 2 % a month, as the 64.64 fixed point factor of one minute.
_DECAY = int(0.98 ** (1 / _MINUTES_A_MONTH) * 2**64)
_PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class Deployment:
    """Where everything is; addresses of 20 bytes."""

    registry: bytes
    accounts_index: bytes
    token_index: bytes
    faucet: bytes
    token: bytes  #: GFT, the default token
    demurrage_token: bytes  #: DET


class _Deployer:
    """Signs with consecutive nonces without waiting: where a contract will be follows from sender and nonce."""

    def __init__(self, rpc: Rpc, signer: Signer, generation: str) -> None:
        from web3 import Web3  # here, since it takes half a second that no other command should wait for

        self._rpc = rpc
        self._signer = signer
        self._generation = generation
        self._web3 = Web3()
        self._price = int(rpc.call("eth_gasPrice"), 16)
        self._nonce = int(rpc.call("eth_getTransactionCount", to_hex(signer.address), "latest"), 16)
        self._abi: dict[bytes, list[dict[str, Any]]] = {}
        self._raw: list[str] = []
        self._hashes: list[str] = []

    def deploy(self, package: str, name: str, *arguments: Any) -> bytes:
        contract = load(self._generation, package, name)
        factory = self._web3.eth.contract(abi=contract.abi, bytecode=contract.bytecode)
        address = keccak(rlp.encode([self._signer.address, self._nonce]))[12:]
        self._abi[address] = contract.abi
        self._send(b"", bytes.fromhex(factory.constructor(*arguments).data_in_transaction[2:]), gas=6_000_000)
        return address

    def call(self, contract: bytes, function: str, *arguments: Any) -> None:
        bound = self._web3.eth.contract(abi=self._abi[contract])
        self._send(contract, bytes.fromhex(bound.encode_abi(function, list(arguments))[2:]), gas=400_000)

    def _send(self, to: bytes, data: bytes, gas: int) -> None:
        signed = self._signer.sign(nonce=self._nonce, gas_price=self._price, gas=gas, to=to, value=0, data=data)
        self._nonce += 1
        self._raw.append(to_hex(signed.raw))
        self._hashes.append(to_hex(signed.hash))

    def finish(self) -> None:
        """Sends everything, one at a time so that no node loses any, and sees that every transaction succeeded."""
        for raw in self._raw:
            self._rpc.call("eth_sendRawTransaction", raw)
        deadline = time.monotonic() + _PATIENCE
        while None in (receipts := self._rpc.calls([("eth_getTransactionReceipt", [h]) for h in self._hashes])):
            if time.monotonic() > deadline:
                raise UnavailableError(f"{self._rpc.url} has not mined the contracts in {_PATIENCE:.0f} seconds")
            time.sleep(0.05)
        failed = [r["transactionHash"] for r in receipts if int(r["status"], 16) != 1]
        if failed:
            raise UnavailableError(f"deploying the {self._generation} contracts failed in transaction {failed[0]}")


def deploy(url: str, private_key: bytes, chain_id: int, generation: str) -> Deployment:
    """Deploys a whole set. The signer may register, mints both tokens, owns plenty of them, and so does the faucet."""
    rpc = Rpc(url)
    signer = Signer(private_key, chain_id)
    on = _Deployer(rpc, signer, generation)
    latest = generation == "latest"
    owner = checksum(signer.address)
    description = hashlib.sha256(b"cicscenario sandbox").digest()

    declarator = on.deploy("eth-address-index", "AddressDeclarator", description)
    registry = on.deploy("eth-contract-registry", "Registry", [text32(name) for name in _IDENTIFIERS])
    on.call(registry, "set", text32("ContractRegistry"), checksum(registry))
    on.call(registry, "set", text32("AddressDeclarator"), checksum(declarator))
    index = on.deploy("eth-token-index", "TokenUniqueSymbolIndex")
    on.call(registry, "set", text32("TokenRegistry"), checksum(index))
    on.call(index, "addWriter", owner)

    expires = (0,) if latest else ()
    token = on.deploy("eth-erc20", "GiftableToken", "Giftable Token", "GFT", DECIMALS, *expires)
    on.call(registry, "set", text32("DefaultToken"), checksum(token))
    shrinking = on.deploy(
        "erc20-demurrage-token", "DemurrageTokenSingleNocap", "Demurrage Token", "DET", DECIMALS, _DECAY,
        _MINUTES_A_MONTH, owner,
    )  # fmt: skip
    for made in (token, shrinking):
        on.call(index, "register", checksum(made))
        on.call(made, "addWriter" if latest else "addMinter", owner)
        on.call(made, "mintTo", owner, 2 * SUPPLY)

    accounts = on.deploy("eth-accounts-index", "AccountsIndex")
    on.call(registry, "set", text32("AccountRegistry"), checksum(accounts))
    on.call(accounts, "addWriter", owner)
    faucet = _faucet(on, latest, token, accounts)
    on.call(registry, "set", text32("Faucet"), checksum(faucet))
    on.finish()
    return Deployment(registry, accounts, index, faucet, token, shrinking)


def _faucet(on: _Deployer, latest: bool, token: bytes, accounts: bytes) -> bytes:
    """Faucets of both generations pay from their own balance; the latest one must own its store."""
    store = on.deploy("erc20-faucet", "ERC20FaucetStorage")
    overriders: tuple[list[str], ...] = () if latest else ([],)
    faucet = on.deploy("erc20-faucet", "ERC20Faucet", *overriders, checksum(token), checksum(store), checksum(accounts))
    if latest:
        on.call(store, "transferOwnership", checksum(faucet))
    on.call(faucet, "setAmount", FAUCET_AMOUNT)
    on.call(token, "transfer", checksum(faucet), SUPPLY)
    return faucet


__all__ = ["DECIMALS", "FAUCET_AMOUNT", "SUPPLY", "Deployment", "deploy"]
