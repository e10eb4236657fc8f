"""Mined blocks: headers and their hashes, receipts, bloom filters."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from cicscenario.chain.flatrlp import encoded_list
from cicscenario.keccak import keccak
from cicscenario.sandbox.node.evm import COINBASE, Log
from cicscenario.sandbox.node.transaction import Transaction

EMPTY_UNCLES = bytes.fromhex("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347")  # keccak of rlp []
ZERO_HASH = bytes(32)
ZERO_NONCE = bytes(8)


class Receipt(NamedTuple):
    """The result of a mined transaction.

    ``log_index`` is the index of its first log within the block. ``created`` is the address of a new contract.
    """

    tx: Transaction
    success: bool
    gas_used: int
    cumulative_gas: int
    logs: tuple[Log, ...]
    log_index: int
    created: str | None


def receipt_after(
    before: Receipt | None, tx: Transaction, *, success: bool, gas_used: int, logs: tuple[Log, ...], created: str | None
) -> Receipt:
    """The receipt of the transaction that follows that of ``before`` in a block; ``before`` is None for the first."""
    return Receipt(
        tx=tx,
        success=success,
        gas_used=gas_used,
        cumulative_gas=gas_used + (before.cumulative_gas if before else 0),
        logs=logs,
        log_index=before.log_index + len(before.logs) if before else 0,
        created=created,
    )


@dataclass(frozen=True, slots=True)
class Block:
    """A header in London's format, and the block's receipts.

    This node has no state trie: ``state_root`` is a hash of the genesis balances in block 0, and zero in later blocks. The
    roots of transactions and receipts are no Merkle roots, but keccak over the hashes (or statuses and gas) in order. So
    the block's hash depends on its content, but nobody can prove with it that a transaction is in the block.
    """

    number: int
    parent_hash: bytes
    timestamp: int
    gas_limit: int
    gas_used: int
    bloom: bytes
    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    receipts: tuple[Receipt, ...]
    hash: bytes
    size: int


def make_block(
    number: int,
    parent_hash: bytes,
    timestamp: int,
    gas_limit: int,
    receipts: tuple[Receipt, ...] = (),
    state_root: bytes = ZERO_HASH,
) -> Block:
    bloom = logs_bloom(log for receipt in receipts for log in receipt.logs)
    transactions_root = keccak(b"".join(receipt.tx.hash for receipt in receipts))
    results = (bytes([receipt.success]) + receipt.cumulative_gas.to_bytes(8) for receipt in receipts)
    receipts_root = keccak(b"".join(results))
    gas_used = receipts[-1].cumulative_gas if receipts else 0
    header: list[bytes | int] = [
        parent_hash,
        EMPTY_UNCLES,
        bytes.fromhex(COINBASE[2:]),
        state_root,
        transactions_root,
        receipts_root,
        bloom,
        0,
        number,
        gas_limit,
        gas_used,
        timestamp,
        b"",
        ZERO_HASH,
        ZERO_NONCE,
        0,
    ]
    encoded = encoded_list(header)
    size = len(encoded) + sum(len(receipt.tx.raw) for receipt in receipts)
    return Block(
        number,
        parent_hash,
        timestamp,
        gas_limit,
        gas_used,
        bloom,
        state_root,
        transactions_root,
        receipts_root,
        receipts,
        keccak(encoded),
        size,
    )


def genesis_block(timestamp: int, gas_limit: int, rich: Mapping[str, int]) -> Block:
    """Block 0. Its hash depends on ``rich`` (address: wei), so two chains made in the same second have different hashes."""
    allocation = "".join(f"{address}={wei};" for address, wei in sorted(rich.items()))
    return make_block(0, ZERO_HASH, timestamp, gas_limit, state_root=keccak(allocation.encode()))


def logs_bloom(logs: Iterable[Log]) -> bytes:
    """The 2,048-bit bloom filter of addresses and topics (yellow paper 4.3.1)."""
    addresses: set[str] = set()
    items: set[bytes] = set()
    for log in logs:
        addresses.add(log.address)
        items.update(log.topics)
    items.update([bytes.fromhex(address[2:]) for address in addresses])
    bits = 0
    for item in items:
        bits |= _bloom_bits(item)
    return bits.to_bytes(256)


@lru_cache(maxsize=65_536)
def _bloom_bits(item: bytes) -> int:
    digest = keccak(item)
    bits = 0
    for start in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[start : start + 2]) & 2047)
    return bits
