"""Blocks, transactions, receipts and logs as JSON, as the Ethereum JSON-RPC specification defines them."""

from typing import Any

from cicscenario.sandbox.node.block import EMPTY_UNCLES, ZERO_HASH, ZERO_NONCE, Block, logs_bloom
from cicscenario.sandbox.node.codec import to_hex
from cicscenario.sandbox.node.evm import COINBASE
from cicscenario.sandbox.node.transaction import Transaction

Json = dict[str, Any]


def block_view(block: Block, *, full: bool) -> Json:
    """A block; with ``full``, whole transactions instead of their hashes."""
    count = len(block.receipts)
    return {
        "number": hex(block.number),
        "hash": to_hex(block.hash),
        "parentHash": to_hex(block.parent_hash),
        "sha3Uncles": to_hex(EMPTY_UNCLES),
        "miner": COINBASE,
        "stateRoot": to_hex(block.state_root),
        "transactionsRoot": to_hex(block.transactions_root),
        "receiptsRoot": to_hex(block.receipts_root),
        "logsBloom": to_hex(block.bloom),
        "difficulty": "0x0",
        "gasLimit": hex(block.gas_limit),
        "gasUsed": hex(block.gas_used),
        "timestamp": hex(block.timestamp),
        "extraData": "0x",
        "mixHash": to_hex(ZERO_HASH),
        "nonce": to_hex(ZERO_NONCE),
        "baseFeePerGas": "0x0",
        "size": hex(block.size),
        "uncles": [],
        "transactions": [
            mined_view(block, index) if full else to_hex(block.receipts[index].tx.hash) for index in range(count)
        ],
    }


def mined_view(block: Block, index: int) -> Json:
    tx = block.receipts[index].tx
    position = {"blockHash": to_hex(block.hash), "blockNumber": hex(block.number), "transactionIndex": hex(index)}
    return _transaction_view(tx) | position | {"gasPrice": hex(tx.price)}


def pending_view(tx: Transaction) -> Json:
    position = {"blockHash": None, "blockNumber": None, "transactionIndex": None}
    return _transaction_view(tx) | position | {"gasPrice": hex(tx.max_fee)}


def receipt_view(block: Block, index: int) -> Json:
    receipt = block.receipts[index]
    return {
        "transactionHash": to_hex(receipt.tx.hash),
        "transactionIndex": hex(index),
        "blockHash": to_hex(block.hash),
        "blockNumber": hex(block.number),
        "from": receipt.tx.sender,
        "to": receipt.tx.to,
        "type": hex(receipt.tx.type),
        "status": hex(receipt.success),
        "gasUsed": hex(receipt.gas_used),
        "cumulativeGasUsed": hex(receipt.cumulative_gas),
        "effectiveGasPrice": hex(receipt.tx.price),
        "contractAddress": receipt.created,
        "logs": [log_view(block, index, position) for position in range(len(receipt.logs))],
        "logsBloom": to_hex(logs_bloom(receipt.logs)),
    }


def log_view(block: Block, index: int, position: int) -> Json:
    """The log at ``position`` in the receipt at ``index``."""
    receipt = block.receipts[index]
    log = receipt.logs[position]
    return {
        "address": log.address,
        "topics": [to_hex(topic) for topic in log.topics],
        "data": to_hex(log.data),
        "blockHash": to_hex(block.hash),
        "blockNumber": hex(block.number),
        "blockTimestamp": hex(block.timestamp),
        "transactionHash": to_hex(receipt.tx.hash),
        "transactionIndex": hex(index),
        "logIndex": hex(receipt.log_index + position),
        "removed": False,
    }


def _transaction_view(tx: Transaction) -> Json:
    view: Json = {
        "hash": to_hex(tx.hash),
        "type": hex(tx.type),
        "nonce": hex(tx.nonce),
        "from": tx.sender,
        "to": tx.to,
        "value": hex(tx.value),
        "gas": hex(tx.gas),
        "input": to_hex(tx.data),
        "v": hex(tx.v),
        "r": hex(tx.r),
        "s": hex(tx.s),
    }
    if tx.chain_id is not None:
        view["chainId"] = hex(tx.chain_id)
    if tx.type > 0:
        view["accessList"] = [
            {"address": address, "storageKeys": [f"0x{slot:064x}" for slot in slots]}
            for address, slots in tx.access_list
        ]
    if tx.type == 2:
        view |= {"maxFeePerGas": hex(tx.max_fee), "maxPriorityFeePerGas": hex(tx.max_priority_fee)}
    return view
