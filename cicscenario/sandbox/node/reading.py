"""JSON-RPC methods that read blocks, transactions and receipts."""

from typing import Any

from cicscenario.sandbox.node.block import Block
from cicscenario.sandbox.node.chain import Chain
from cicscenario.sandbox.node.codec import parse_hash, parse_quantity
from cicscenario.sandbox.node.errors import JsonRpcError
from cicscenario.sandbox.node.views import Json, block_view, mined_view, pending_view, receipt_view

_NEWEST = {"latest", "pending", "safe", "finalized"}


def block_number(chain: Chain, tag: Any) -> int:
    """The block number of a tag; that block may not exist. Every mined block is final, and pending means latest."""
    if isinstance(tag, str) and tag in _NEWEST:
        return chain.head.number
    return 0 if tag == "earliest" else parse_quantity(tag, "block")


def block_at(chain: Chain, tag: Any) -> Block | None:
    return chain.history.at(block_number(chain, tag))


class BlockMethods:
    """The methods; each raises JsonRpcError for a wrong parameter."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def block_number(self) -> str:
        return hex(self._chain.head.number)

    def block_by_number(self, tag: Any, full: bool = False) -> Json | None:
        block = block_at(self._chain, tag)
        return block_view(block, full=full) if block else None

    def block_by_hash(self, block_hash: Any, full: bool = False) -> Json | None:
        block = self._chain.history.by_hash(parse_hash(block_hash))
        return block_view(block, full=full) if block else None

    def count_by_number(self, tag: Any) -> str | None:
        block = block_at(self._chain, tag)
        return hex(len(block.receipts)) if block else None

    def count_by_hash(self, block_hash: Any) -> str | None:
        block = self._chain.history.by_hash(parse_hash(block_hash))
        return hex(len(block.receipts)) if block else None

    def block_receipts(self, tag: Any) -> list[Json] | None:
        hashed = isinstance(tag, str) and len(tag) == 66
        block = self._chain.history.by_hash(parse_hash(tag)) if hashed else block_at(self._chain, tag)
        return [receipt_view(block, index) for index in range(len(block.receipts))] if block else None

    def transaction(self, tx_hash: Any) -> Json | None:
        wanted = parse_hash(tx_hash)
        if found := self._chain.history.find(wanted):
            return mined_view(*found)
        tx = self._chain.pool.get(wanted)
        return pending_view(tx) if tx else None

    def transaction_by_index(self, tag: Any, index: Any) -> Json | None:
        block, place = block_at(self._chain, tag), parse_quantity(index, "index")
        return mined_view(block, place) if block and place < len(block.receipts) else None

    def receipt(self, tx_hash: Any) -> Json | None:
        found = self._chain.history.find(parse_hash(tx_hash))
        return receipt_view(*found) if found else None

    def fee_history(self, count: Any, newest: Any, percentiles: Any = None) -> Json:
        """eth_feeHistory: the base fee is 0; percentiles of tips weigh all transactions of a block equally."""
        last = block_at(self._chain, newest)
        if last is None:
            raise JsonRpcError.invalid_params("newest block: not mined yet")
        asked = min(parse_quantity(count, "block count"), 1024)
        blocks = list(self._chain.history.between(last.number + 1 - asked, last.number))
        history: Json = {
            "oldestBlock": hex(last.number + 1 - len(blocks)),
            "baseFeePerGas": ["0x0"] * (len(blocks) + 1),
            "gasUsedRatio": [block.gas_used / block.gas_limit for block in blocks],
        }
        return history | ({"reward": [_tips(block, percentiles) for block in blocks]} if percentiles else {})


def _tips(block: Block, percentiles: list[float]) -> list[str]:
    tips = sorted(receipt.tx.price for receipt in block.receipts) or [0]
    return [hex(tips[min(len(tips) - 1, int(len(tips) * percentile / 100))]) for percentile in percentiles]
