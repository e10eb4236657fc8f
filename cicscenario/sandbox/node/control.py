"""JSON-RPC methods that change the chain: sending transactions, and the ``evm_`` and ``anvil_`` methods for tests."""

from typing import Any

from cicscenario.sandbox.node.ahead import Known
from cicscenario.sandbox.node.chain import Chain
from cicscenario.sandbox.node.codec import parse_data, parse_quantity, to_hex
from cicscenario.sandbox.node.errors import JsonRpcError
from cicscenario.sandbox.node.transaction import decode

_MOST_BLOCKS = 10_000  # in one call of anvil_mine


class ControlMethods:
    """The methods; each raises JsonRpcError for a wrong parameter. ``known`` are transactions that are decoded already."""

    def __init__(self, chain: Chain, known: Known) -> None:
        self._chain = chain
        self._known = known

    def send_raw(self, raw: Any) -> str:
        tx = self._known.get(raw) if isinstance(raw, str) else None
        return to_hex(self._chain.submit(tx or decode(parse_data(raw, "transaction"))))

    def pool_status(self) -> dict[str, str]:
        pool = self._chain.pool
        return {"pending": hex(pool.ready), "queued": hex(len(pool) - pool.ready)}

    def mine(self, options: Any = None) -> str:
        """evm_mine: one block; ``options`` may be a Unix time, or ``{"timestamp": ...}``."""
        timestamp = options.get("timestamp") if isinstance(options, dict) else options
        if timestamp is not None:
            self._chain.set_next_timestamp(parse_quantity(timestamp, "timestamp"))
        self._chain.mine()
        return "0x0"

    def mine_many(self, count: Any = 1, interval: Any = 0) -> None:
        """anvil_mine: ``count`` blocks, ``interval`` seconds apart."""
        blocks, seconds = parse_quantity(count, "count"), parse_quantity(interval, "interval")
        if blocks > _MOST_BLOCKS:
            raise JsonRpcError.invalid_params(f"count: at most {_MOST_BLOCKS}")
        for number in range(blocks):
            self._chain.increase_time(seconds if number else 0)
            self._chain.mine()

    def snapshot(self) -> str:
        return hex(self._chain.snapshot())

    def revert(self, snapshot: Any) -> bool:
        return self._chain.revert(parse_quantity(snapshot, "snapshot"))

    def increase_time(self, seconds: Any) -> int:
        return self._chain.increase_time(parse_quantity(seconds, "seconds"))

    def set_next_timestamp(self, timestamp: Any) -> None:
        self._chain.set_next_timestamp(parse_quantity(timestamp, "timestamp"))
