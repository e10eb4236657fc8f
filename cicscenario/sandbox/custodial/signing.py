"""Signs the engine's transactions with keys from the vault, as cic-eth's signer does."""

from functools import lru_cache

from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import ADD, GIVE_TO, TRANSFER
from cicscenario.chain.signer import Signed, Signer
from cicscenario.sandbox.custodial.context import EngineContext
from cicscenario.sandbox.custodial.errors import SIGNER_IS_DOWN, JSONRPCException, RPCException, UnknownContractError

# Source: recordings of cic-eth 0.12.10 with ETH_MIN_FEE_PRICE=1.
GAS_LIMIT = 8_000_000
GAS_PRICE = 1  # wei
_KEPT = 100  # signers
_TOO_LITTLE_GAS = 30_000  # enough to call the accounts index, too little to register an account


class TransactionSigner:
    """Keeps the signers that were used last: those of the engine's own accounts are always among them."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._signer = lru_cache(_KEPT)(self._read_signer)

    def check(self) -> None:
        """Raises RPCException when the signer is down, which is a fault switch."""
        if self._context.settings.faults.signer_down:
            raise RPCException(SIGNER_IS_DOWN)

    def registration(self, writer: str, nonce: int, account: str) -> Signed:
        """A call of the accounts index that adds ``account``. Addresses are 40 hexadecimal digits in all methods."""
        reverts = self._context.settings.faults.revert_registration and not self._context.database.was_registered(
            account
        )
        gas = _TOO_LITTLE_GAS if reverts else GAS_LIMIT
        index = self._context.contracts.accounts_index
        return self.sign(writer, nonce, index, data=pack(ADD, bytes.fromhex(account)), gas=gas)

    def payout(self, account: str, nonce: int) -> Signed:
        """A call of the faucet, by the account itself, that pays the account."""
        faucet = self._context.contracts.faucet
        if faucet is None:
            raise UnknownContractError("Faucet")
        return self.sign(account, nonce, faucet.address, data=pack(GIVE_TO, bytes.fromhex(account)))

    def transfer(self, sender: str, nonce: int, token: bytes, recipient: str, value: int) -> Signed:
        """A call of a token that sends ``value`` base units of it from one account to another."""
        return self.sign(sender, nonce, token, data=pack(TRANSFER, bytes.fromhex(recipient), value))

    def sign(
        self,
        sender: str,
        nonce: int,
        to: bytes,
        *,
        value: int = 0,
        data: bytes = b"",
        gas: int = GAS_LIMIT,
        gas_price: int = GAS_PRICE,
    ) -> Signed:
        """Raises RPCException when the signer is down, and JSONRPCException when the vault does not hold the key."""
        self.check()
        return self._signer(sender).sign(nonce=nonce, gas_price=gas_price, gas=gas, to=to, value=value, data=data)

    def _read_signer(self, address: str) -> Signer:
        keys = self._context.vault.keys([address])
        if address not in keys:
            raise JSONRPCException(f"unknown account {address}")
        return Signer(keys[address], self._context.settings.chain_spec.network_id)
