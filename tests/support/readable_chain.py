"""A chain node that answers every method that is in use, always with the same."""

import json
from typing import Any

from tests.support.fake_server import FakeServer
from tests.support.rude_node import calls_in

HASH = "0x" + "ab" * 32
WORD = f"0x{7:064x}"
BLOCK = {
    "number": "0x10",
    "hash": HASH,
    "timestamp": "0x61f0",
    "gasLimit": "0x1c9c380",
    "baseFeePerGas": "0x0",
    "transactions": [HASH],
}
RECEIPT = {"blockNumber": "0x10", "status": "0x1", "logs": []}
LOG = {"address": "0x" + "11" * 20, "blockHash": HASH, "transactionHash": HASH, "topics": [], "data": "0x"}
#: Each method with parameters that it is called with, and what it gives.
METHODS: dict[str, tuple[list[Any], Any]] = {
    "eth_blockNumber": ([], "0x10"),
    "eth_chainId": ([], "0x2324"),
    "eth_gasPrice": ([], "0x1"),
    "web3_clientVersion": ([], "Readable/v1"),
    "eth_estimateGas": ([{"to": "0x" + "11" * 20}], "0x5208"),
    "eth_getBalance": (["0x" + "11" * 20, "latest"], "0x7"),
    "eth_getTransactionCount": (["0x" + "11" * 20, "latest"], "0x3"),
    "eth_call": ([{"to": "0x" + "11" * 20, "data": "0x12345678"}, "latest"], WORD),
    "eth_getCode": (["0x" + "11" * 20, "latest"], "0x6001"),
    "eth_getBlockByNumber": (["latest", False], BLOCK),
    "eth_getLogs": ([{"fromBlock": "0x1", "toBlock": "0x2"}], [LOG]),
    "eth_getTransactionByHash": ([HASH], {"hash": HASH}),
    "eth_getTransactionReceipt": ([HASH], RECEIPT),
    "eth_sendRawTransaction": (["0x12"], HASH),
}


class ReadableChain(FakeServer):
    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        asked = json.loads(body)
        replies = [
            {"jsonrpc": "2.0", "id": call["id"], "result": METHODS[call["method"]][1]} for call in calls_in(body)
        ]
        return 200, json.dumps(replies if isinstance(asked, list) else replies[0])
