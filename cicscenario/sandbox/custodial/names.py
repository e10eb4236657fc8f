"""Names of the tasks that the engine sends to itself, as in cic-eth."""

SHUTDOWN = "cic_eth.admin.ctrl.shutdown"
RESERVE_NONCE = "cic_eth.eth.nonce.reserve_nonce"
REGISTER = "cic_eth.eth.account.register"
GIFT = "cic_eth.eth.account.gift"
CACHE_ACCOUNT_DATA = "cic_eth.eth.account.cache_account_data"
CACHE_GIFT_DATA = "cic_eth.eth.account.cache_gift_data"
TRANSFER = "cic_eth.eth.erc20.transfer"
CACHE_TRANSFER_DATA = "cic_eth.eth.erc20.cache_transfer_data"
CHECK_GAS = "cic_eth.eth.gas.check_gas"
REFILL_GAS = "cic_eth.eth.gas.refill_gas"
CACHE_GAS_DATA = "cic_eth.eth.gas.cache_gas_data"
SET_READY = "cic_eth.queue.state.set_ready"
SET_WAITFORGAS = "cic_eth.queue.state.set_waitforgas"
CUSTOM = "cic_eth.eth.tx.custom"
VERIFY_PROOFS = "cic_eth.eth.trust.verify_proofs"

#: Those that make, check, store or release a transaction, and take more time in the real engine than others.
OF_TRANSACTIONS = frozenset(
    {
        REGISTER, GIFT, TRANSFER, CUSTOM, CHECK_GAS, REFILL_GAS, SET_READY, SET_WAITFORGAS,
        CACHE_ACCOUNT_DATA, CACHE_GIFT_DATA, CACHE_TRANSFER_DATA, CACHE_GAS_DATA,
    }
)  # fmt: skip
