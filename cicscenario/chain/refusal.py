"""What a node means when it refuses a transaction. Only the chain can say whether it was mined before.

Sources: the error texts of geth (core/txpool/errors.go, core/error.go), OpenEthereum (rpc/src/v1/helpers/errors.rs,
which bloxberg runs), Nethermind and anvil.
"""

from enum import Enum

from cicscenario.chain.rpc import RpcError


class Refusal(Enum):
    """Kinds of refusal."""

    KNOWN = "the node has it already"
    USED = "its nonce is used: by itself, or by another"
    REPLACING = "another transaction with its nonce is waiting"
    FOR_GOOD = "the same bytes will never be taken, until somebody sees to the signer"
    PASSING = "anything else; it may be taken later"


_WORDS = {
    Refusal.KNOWN: ("already known", "already imported", "known transaction", "alreadyknown"),
    Refusal.USED: ("nonce too low", "nonce is too low", "oldnonce"),
    Refusal.REPLACING: ("replacement transaction", "another transaction with same nonce"),
    Refusal.FOR_GOOD: (
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
    return Refusal.PASSING
