"""Transactions that a development node holds and never mines.

anvil may sort a transaction as one that waits for an earlier nonce while it mines that very nonce. It then answers
"already imported" whenever the transaction is sent, and mines neither it nor any later one (seen with anvil 1.7.1, also
after ``evm_revert``). It forgets them when it is told to; then the same bytes are accepted as new ones.
"""

from cicscenario.chain.abi import to_hex
from cicscenario.chain.reading import numbers
from cicscenario.chain.rpc import Call, Rpc, RpcError
from cicscenario.state.rows import LedgerRow


def release(rpc: Rpc, first: LedgerRow) -> bool:
    """Makes the node forget what it holds of the signer, if ``first`` should be mined next and the node does not count it.

    ``first`` is the transaction with the lowest nonce in flight, and the node has said that it knows it. True when the node
    has forgotten all that waits: it must be sent again, in nonce order. False for a node that counts the transaction, and for
    one that has no such method, as every node of a real network. Raises UnavailableError when there is no answer, and
    RpcError when the node does not count transactions.
    """
    signer = to_hex(first.signer)
    counts: list[Call] = [("eth_getTransactionCount", [signer, block]) for block in ("latest", "pending")]
    mined, pending = numbers(rpc, counts)
    if not mined == pending == first.nonce:
        return False
    (answer,) = rpc.results([("anvil_removePoolTransactions", [signer])])
    return not isinstance(answer, RpcError)
