"""Blocks, transactions, receipts and logs in the form of Ethereum's JSON-RPC."""

from typing import Any

from cicscenario.sandbox.node.chain import Block, Chain, bloom
from cicscenario.sandbox.node.machine import COINBASE, Log
from cicscenario.sandbox.node.transaction import Transaction

_ZERO32 = "0x" + "00" * 32


def quantity(number: int) -> str:
    return hex(number)


def data(value: bytes) -> str:
    return "0x" + value.hex()


def block_view(chain: Chain, block: Block, full: bool) -> dict[str, Any]:
    """A block with its transactions, whole or as hashes."""
    transactions = [
        transaction_view(chain, t, block, index) if full else data(t.hash) for index, t in enumerate(block.transactions)
    ]
    return {
        "number": quantity(block.number),
        "hash": data(block.hash),
        "parentHash": data(block.parent),
        "timestamp": quantity(block.timestamp),
        "gasLimit": quantity(chain.gas_limit),
        "gasUsed": quantity(block.gas_used),
        "baseFeePerGas": "0x0",
        "logsBloom": data(block.bloom),
        "miner": data(COINBASE),
        "difficulty": "0x0",
        "totalDifficulty": "0x0",
        "extraData": data(chain.extra),
        "mixHash": _ZERO32,
        "nonce": "0x" + "00" * 8,
        "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
        "stateRoot": _ZERO32,
        "receiptsRoot": _ZERO32,
        "transactionsRoot": _ZERO32,
        "size": quantity(500 + sum(len(t.raw) for t in block.transactions)),
        "uncles": [],
        "transactions": transactions,
    }


def transaction_view(chain: Chain, t: Transaction, block: Block | None, index: int) -> dict[str, Any]:
    """A transaction; without ``block`` it is pending."""
    view: dict[str, Any] = {
        "hash": data(t.hash),
        "type": quantity(t.kind),
        "from": data(t.sender),
        "to": data(t.to) if t.to else None,
        "nonce": quantity(t.nonce),
        "gas": quantity(t.gas),
        "gasPrice": quantity(t.price),
        "value": quantity(t.value),
        "input": data(t.data),
        "v": quantity(t.v),
        "r": quantity(t.r),
        "s": quantity(t.s),
        "chainId": quantity(chain.chain_id),
        "blockHash": data(block.hash) if block else None,
        "blockNumber": quantity(block.number) if block else None,
        "transactionIndex": quantity(index) if block else None,
    }
    if t.kind:
        view["accessList"] = [
            {"address": data(a), "storageKeys": [f"0x{k:064x}" for k in ks]} for a, ks in t.access_list
        ]
        view["yParity"] = quantity(t.v)
    if t.kind == 2:
        view["maxFeePerGas"] = quantity(t.gas_price)
        view["maxPriorityFeePerGas"] = quantity(t.priority)
    return view


def receipt_view(block: Block, index: int) -> dict[str, Any]:
    """The receipt of the block's transaction number ``index``."""
    transaction, receipt = block.transactions[index], block.receipts[index]
    execution = receipt.execution
    return {
        "transactionHash": data(transaction.hash),
        "transactionIndex": quantity(index),
        "blockHash": data(block.hash),
        "blockNumber": quantity(block.number),
        "from": data(transaction.sender),
        "to": data(transaction.to) if transaction.to else None,
        "contractAddress": data(execution.contract) if execution.contract else None,
        "status": quantity(int(execution.ok)),
        "type": quantity(transaction.kind),
        "gasUsed": quantity(execution.gas_used),
        "cumulativeGasUsed": quantity(receipt.cumulative_gas),
        "effectiveGasPrice": quantity(transaction.price),
        "logs": log_views(block, index),
        "logsBloom": data(bloom(execution.logs)),
    }


def log_views(block: Block, index: int) -> list[dict[str, Any]]:
    """The logs of the block's transaction number ``index``."""
    receipt = block.receipts[index]
    return [
        _log_view(block, index, receipt.first_log + number, log) for number, log in enumerate(receipt.execution.logs)
    ]


def _log_view(block: Block, index: int, log_index: int, log: Log) -> dict[str, Any]:
    return {
        "address": data(log.address),
        "topics": [data(topic) for topic in log.topics],
        "data": data(log.data),
        "blockHash": data(block.hash),
        "blockNumber": quantity(block.number),
        "blockTimestamp": quantity(block.timestamp),
        "transactionHash": data(block.transactions[index].hash),
        "transactionIndex": quantity(index),
        "logIndex": quantity(log_index),
        "removed": False,
    }
