"""Waits for the receipts of transactions that were sent together."""

import time
from collections.abc import Mapping

from cicscenario.chain.rpc import Rpc
from cicscenario.errors import UnavailableError
from cicscenario.wording import counted

_POLL = 0.05  # seconds


def wait_for_receipts(rpc: Rpc, sent: Mapping[str, str], *, patience: float = 60.0) -> None:
    """Waits until all transactions in ``sent`` (transaction hash: what it does) are mined and have succeeded.

    Raises UnavailableError when one is not mined within ``patience`` seconds, or has failed.
    """
    deadline = time.monotonic() + patience
    tasks = list(sent.values())
    requests = [("eth_getTransactionReceipt", [tx_hash]) for tx_hash in sent]
    while None in (receipts := rpc.calls(requests)):
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"{rpc.url} has mined {len(receipts) - receipts.count(None)} of {counted(len(receipts), 'transaction')} of this"
                f" setup in {patience:.0f} seconds; the first that is missing: {tasks[receipts.index(None)]}",
                hint="does the node mine blocks?",
            )
        time.sleep(_POLL)
    for task, receipt in zip(tasks, receipts, strict=True):
        if int(receipt["status"], 16) != 1:
            raise UnavailableError(f"{rpc.url}: {task} failed, transaction {receipt['transactionHash']}")
