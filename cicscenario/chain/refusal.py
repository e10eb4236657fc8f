"""Why a node refuses a transaction. Whether the transaction was mined before must be looked up on the chain.

Sources: the error texts of geth (core/txpool/errors.go, core/error.go), OpenEthereum (rpc/src/v1/helpers/errors.rs,
which bloxberg runs), Nethermind and anvil.
"""

from enum import Enum
from typing import Any

from cicscenario.chain.abi import to_hex
from cicscenario.chain.rpc import RpcError


class Refusal(Enum):
    """Kinds of refusal."""

    KNOWN = "the node already has this transaction"
    NONCE_USED = "its nonce is used, by this transaction or by another"
    NONCE_PENDING = "another transaction with its nonce is waiting"
    FEE_TOO_LOW = "its gas price is too low at present"
    PERMANENT = "it is refused until somebody corrects the cause, such as the signer's balance"
    TRANSIENT = "anything else; it may be accepted later"


_WORDS = {
    Refusal.KNOWN: ("already known", "already imported", "known transaction", "alreadyknown"),
    Refusal.NONCE_USED: ("nonce too low", "nonce is too low", "oldnonce"),
    Refusal.NONCE_PENDING: ("replacement transaction", "another transaction with same nonce"),
    Refusal.FEE_TOO_LOW: (
        "underpriced", "less than block base fee", "lower than the block base fee", "gas price too low", "fee too low",
        "feetoolow", "gas price is too low", "gasprice too low", "below configured minimum gas price", "gas price below",
    ),
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


def is_accepted(digest: bytes, answer: Any) -> bool:
    """Whether the node has the transaction with this hash: it answers with the hash, or knows it already."""
    if isinstance(answer, RpcError):
        return refusal(answer) is Refusal.KNOWN
    return isinstance(answer, str) and answer.lower() == to_hex(digest)
