"""Names and arguments of the engine's tasks. Source: cic-eth 0.12.10, ``cic_eth.api.api_task`` and what it was seen to send."""

CHECK_LOCK = "cic_eth.admin.ctrl.check_lock"
CREATE = "cic_eth.eth.account.create"
CALLBACK = "cic_eth.callbacks.redis.redis"
RESERVE_NONCE = "cic_eth.eth.nonce.reserve_nonce"
REGISTER = "cic_eth.eth.account.register"
GIFT = "cic_eth.eth.account.gift"
RESOLVE_TOKENS = "cic_eth.eth.erc20.resolve_tokens_by_symbol"
TRANSFER = "cic_eth.eth.erc20.transfer"
HAVE = "cic_eth.eth.account.have"
ROLE_ACCOUNT = "cic_eth.eth.account.role_account"
DEFAULT_TOKEN = "cic_eth.eth.erc20.default_token"  # noqa: S105
ACCOUNT_TRANSACTIONS = "cic_eth.queue.query.get_account_tx"

REGISTRY = "cic_eth.task.registry"

WRITER_ROLE = "ACCOUNT_REGISTRY_WRITER"  #: the account that registers others
GIFTER_ROLE = "GAS_GIFTER"  #: the account that gives gas

#: Bits of a lock, ``cic_eth.db.enum.LockEnum``.
LOCKS = {1: "STICKY", 2: "INIT", 4: "CREATE", 8: "SEND", 16: "QUEUE", 32: "QUERY"}
CREATE_LOCK, QUEUE_LOCK = 4, 16
LOCKED = "LockedError"  #: what ``check_lock`` raises for a lock of all accounts, or of the one that it was asked about
