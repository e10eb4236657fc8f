"""Transactions that a development node holds and never mines.

anvil may sort a transaction as one that waits for an earlier nonce while it mines that very nonce. It then answers
"already imported" whenever the transaction is sent, and mines neither it nor any later one (seen with anvil 1.7.1, also
after ``evm_revert``). It forgets them when it is told to; then the same bytes are accepted as new ones.
"""

from collections.abc import Iterable

from cicscenario.chain.abi import to_hex
from cicscenario.chain.reading import numbers
from cicscenario.chain.rpc import Call, Rpc, RpcError
from cicscenario.state.rows import LedgerRow


def release(rpc: Rpc, rows: Iterable[LedgerRow]) -> bool:
    """Makes the node forget what it holds of a signer, if their first one should be mined next and the node does not count it.

    ``rows`` are in flight, and the node has said that it knows them. True when the node has forgotten all that waits of a
    signer: it must be sent again, in nonce order. False for a node that counts the transactions, and for one that has no such
    method, as every node of a real network. Raises UnavailableError when there is no answer, and RpcError when the node does
    not count transactions.
    """
    first: dict[bytes, int] = {}
    for row in rows:
        first[row.signer] = min(row.nonce, first.get(row.signer, row.nonce))
    counts: list[Call] = [
        ("eth_getTransactionCount", [to_hex(signer), block]) for signer in first for block in ("latest", "pending")
    ]
    found = numbers(rpc, counts)
    held = [
        signer
        for (signer, nonce), mined, pending in zip(first.items(), found[::2], found[1::2], strict=True)
        if mined == pending == nonce
    ]
    answers = rpc.results([("anvil_removePoolTransactions", [to_hex(signer)]) for signer in held]) if held else []
    return any(not isinstance(answer, RpcError) for answer in answers)
