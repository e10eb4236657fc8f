"""What executing a block gave, as it is in the block's line of the journal, and the receipts made of it again."""

from collections.abc import Iterable
from typing import Any

from cicscenario.sandbox.node.block import Receipt, receipt_after
from cicscenario.sandbox.node.evm import Log
from cicscenario.sandbox.node.journal import BlockRecord
from cicscenario.sandbox.node.transaction import decode


def results_of(receipts: Iterable[Receipt]) -> list[Any]:
    """For each transaction: sender, whether it succeeded (1 or 0), gas used, the contract created or None, and its logs.

    A log is a list of address, data and topics, in hex. The sender is there because to recover it from the signature takes
    longer than all the rest.
    """
    return [
        [
            receipt.tx.sender,
            int(receipt.success),
            receipt.gas_used,
            receipt.created,
            [[log.address, log.data.hex(), *[topic.hex() for topic in log.topics]] for log in receipt.logs],
        ]
        for receipt in receipts
    ]


def receipts_of(record: BlockRecord) -> tuple[Receipt, ...]:
    """The receipts of a block with ``results``. Raises ValueError when they are not what ``results_of`` gives."""
    receipts: list[Receipt] = []
    try:
        for raw, result in zip(record.transactions, record.results or [], strict=True):
            sender, success, gas_used, created, logs = result
            receipts.append(
                receipt_after(
                    receipts[-1] if receipts else None,
                    decode(raw, sender),
                    success=bool(success),
                    gas_used=gas_used,
                    logs=tuple(
                        Log(address, tuple(map(bytes.fromhex, topics)), bytes.fromhex(data))
                        for address, data, *topics in logs
                    ),
                    created=created,
                )
            )
    except (TypeError, ValueError) as error:
        raise ValueError(f"its results cannot be read ({error})") from None
    return tuple(receipts)


def sender_of(record: BlockRecord, index: int) -> str | None:
    """The sender of a transaction as the line tells it; None when it does not."""
    try:
        sender = (record.results or [])[index][0]
    except (IndexError, TypeError, KeyError):
        return None
    return sender if isinstance(sender, str) else None
