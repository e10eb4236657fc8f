"""Why a node refuses a transaction. Whether the transaction was mined before must be looked up on the chain.

Sources: the error texts of geth (core/txpool/errors.go, core/error.go), OpenEthereum (rpc/src/v1/helpers/errors.rs,
which bloxberg runs), Nethermind and anvil.
"""

from enum import Enum

from cicscenario.chain.rpc import RpcError


class Refusal(Enum):
    """Kinds of refusal."""

    KNOWN = "the node already has this transaction"
    NONCE_USED = "its nonce is used, by this transaction or by another"
    NONCE_PENDING = "another transaction with its nonce is waiting"
    PERMANENT = "it is refused until somebody corrects the cause, such as the signer's balance"
    TRANSIENT = "anything else; it may be accepted later"


_WORDS = {
    Refusal.KNOWN: ("already known", "already imported", "known transaction", "alreadyknown"),
    Refusal.NONCE_USED: ("nonce too low", "nonce is too low", "oldnonce"),
    Refusal.NONCE_PENDING: ("replacement transaction", "another transaction with same nonce"),
    Refusal.PERMANENT: (
        "insufficient funds", "intrinsic gas", "exceeds block gas limit", "exceeds current gas limit",
        "chain id", "chainid", "invalid sender",
    ),
}  # fmt: skip


def refusal(error: RpcError) -> Refusal:
    """The kind of a refusal, by the words of its message."""
    text = error.text.lower()
    for kind, words in _WORDS.items():
        if any(word in text for word in words):
            return kind
    return Refusal.TRANSIENT
