"""What the embedded node and anvil both do. Every figure was first seen on anvil 1.7.1."""

import itertools
import json
from typing import Any

import pytest
from web3 import HTTPProvider, Web3

from tests.support.running_node import CHAIN_ID, RICH, RpcFailure, RunningNode, Wallet, creation

# slot 0 += 1; LOG1(topic 42, data = new value); return it
COUNTER = bytes.fromhex("60005460010180600055600052602a60206000a160206000f3")
# revert with Error("NO")
REVERTER = bytes.fromhex("6308c379a060e01b600052602060045260026024526" + "14e4f60f01b60445260646000fd")
# revert, unless more than 100,000 gas is left: what it uses says nothing of what it needs
HUNGRY = bytes.fromhex("5a620186a010600e5760006000fd5b00")
# slot 0 = 0 when it was set, which earns a refund, else 1: SLOAD ISZERO SSTORE
TOGGLE = bytes.fromhex("600054156000" + "5500")
# BALANCE(call data) and then SLOAD(0): prices warm and cold
TOUCH = bytes.fromhex("6000353150600054" + "5000")
STRANGER = "0x" + "11" * 20


def refused(node: RunningNode, method: str, *params: Any) -> RpcFailure:
    with pytest.raises(RpcFailure) as failure:
        node.rpc(method, *params)
    return failure.value


def number(value: str) -> int:
    return int(value, 16)


# --- gas and fees


def test_plain_transfer_costs_21000_and_moves_value_and_fee(node: RunningNode, wallet: Wallet) -> None:
    receipt = wallet.run(to=RICH.address, value=5, gas=50_000, gasPrice=7)
    assert number(receipt["gasUsed"]) == 21_000
    assert number(receipt["effectiveGasPrice"]) == 7
    assert number(node.rpc("eth_getBalance", wallet.address, "latest")) == 10**19 - 5 - 7 * 21_000


def test_the_whole_fee_goes_to_the_miner(node: RunningNode, wallet: Wallet) -> None:
    miner = node.rpc("eth_getBlockByNumber", "latest", False)["miner"]
    before = number(node.rpc("eth_getBalance", miner, "latest"))
    wallet.run(to=RICH.address, gasPrice=3)
    assert number(node.rpc("eth_getBalance", miner, "latest")) - before == 3 * 21_000


def test_a_dynamic_fee_transaction_pays_its_tip(node: RunningNode, wallet: Wallet) -> None:
    receipt = wallet.run(to=RICH.address, gasPrice=None, maxFeePerGas=9, maxPriorityFeePerGas=4)
    assert (receipt["type"], number(receipt["effectiveGasPrice"])) == ("0x2", 4)


@pytest.mark.parametrize(
    ("data", "gas"),
    [(b"\x01" * 100, 25_000), (b"\0" * 100, 22_000), (b"\x01\0" * 50, 23_500)],
    ids=["non-zero", "zero", "mixed"],
)
def test_call_data_has_a_floor_price(wallet: Wallet, data: bytes, gas: int) -> None:
    assert number(wallet.run(to=STRANGER, data=data, gas=100_000)["gasUsed"]) == gas  # EIP-7623


def test_storage_is_cold_again_in_the_next_transaction(wallet: Wallet) -> None:
    contract = wallet.deploy(COUNTER)
    assert number(contract["gasUsed"]) == 58_536
    used = [number(wallet.run(to=contract["contractAddress"], gas=100_000)["gasUsed"]) for _ in range(3)]
    assert used == [44_145, 27_045, 27_045]


def test_storage_is_cold_again_within_one_block(node: RunningNode, wallet: Wallet) -> None:
    contract = wallet.deploy(COUNTER)["contractAddress"]
    hashes = [wallet.send(to=contract, gas=100_000) for _ in range(3)]
    node.rpc("evm_mine")
    receipts = [node.rpc("eth_getTransactionReceipt", tx_hash) for tx_hash in hashes]
    assert len({receipt["blockHash"] for receipt in receipts}) == 1
    assert [number(receipt["gasUsed"]) for receipt in receipts] == [44_145, 27_045, 27_045]
    assert [number(receipt["cumulativeGasUsed"]) for receipt in receipts] == [44_145, 71_190, 98_235]
    assert [receipt["logs"][0]["logIndex"] for receipt in receipts] == ["0x0", "0x1", "0x2"]


def test_clearing_storage_earns_its_refund(wallet: Wallet) -> None:
    contract = wallet.deploy(TOGGLE)["contractAddress"]
    used = [number(wallet.run(to=contract, gas=100_000)["gasUsed"]) for _ in range(3)]
    assert used == [43_109, 21_209, 43_109]


def test_an_access_list_is_paid_for_and_warms_once(wallet: Wallet) -> None:
    contract = wallet.deploy(TOUCH)["contractAddress"]
    data = bytes(12) + bytes.fromhex(STRANGER[2:])
    access = [{"address": contract, "storageKeys": ["0x" + "00" * 32]}, {"address": STRANGER, "storageKeys": []}]
    plain = number(wallet.run(to=contract, data=data, gas=100_000)["gasUsed"])
    listed = number(wallet.run(to=contract, data=data, gas=100_000, accessList=access)["gasUsed"])
    again = number(wallet.run(to=contract, data=data, gas=100_000)["gasUsed"])
    assert listed - plain == 2 * 2_400 + 1_900 - 2_500 - 2_000
    assert again == plain


def test_failures_cost_what_they_used_or_all(node: RunningNode, wallet: Wallet) -> None:
    contract = wallet.deploy(REVERTER)["contractAddress"]
    reverted = wallet.run(to=contract, gas=100_000)
    assert (reverted["status"], number(reverted["gasUsed"]), reverted["logs"]) == ("0x0", 21_066, [])
    counter = wallet.deploy(COUNTER)["contractAddress"]
    starved = wallet.run(to=counter, gas=30_000)
    assert (starved["status"], number(starved["gasUsed"])) == ("0x0", 30_000)
    assert number(node.rpc("eth_getStorageAt", counter, "0x0", "latest")) == 0
    assert number(node.rpc("eth_getTransactionCount", wallet.address, "latest")) == 4


@pytest.mark.parametrize(
    ("to", "moved"),
    [("0x" + "33" * 20, 5), ("0x" + "00" * 19 + "04", 5), ("0x" + "00" * 19 + "09", 0), ("0x" + "00" * 20, 5)],
    ids=["nobody's account", "a precompile", "a precompile that fails without data", "the miner"],
)
def test_a_value_moves_where_no_code_runs(node: RunningNode, wallet: Wallet, to: str, moved: int) -> None:
    before = number(node.rpc("eth_getBalance", to, "latest"))
    receipt = wallet.run(to=to, value=5, gas=50_000, gasPrice=0)
    assert receipt["status"] == ("0x1" if moved else "0x0")
    assert number(node.rpc("eth_getBalance", to, "latest")) - before == moved
    assert number(node.rpc("eth_getBalance", wallet.address, "latest")) == 10**19 - moved


def test_a_value_sent_to_oneself_stays(node: RunningNode, wallet: Wallet) -> None:
    wallet.run(to=wallet.address, value=5, gasPrice=0)
    assert number(node.rpc("eth_getBalance", wallet.address, "latest")) == 10**19


def test_reverted_balances_are_those_of_before(node: RunningNode, wallet: Wallet) -> None:
    snapshot = node.rpc("evm_snapshot")
    wallet.run(to=STRANGER, value=5)
    node.rpc("evm_revert", snapshot)
    seen = [node.rpc(what, wallet.address, "latest") for what in ("eth_getBalance", "eth_getTransactionCount")]
    assert list(map(number, seen)) == [10**19, 0]


def test_a_failed_creation_uses_up_its_nonce(node: RunningNode, wallet: Wallet) -> None:
    receipt = wallet.run(data=bytes.fromhex("60006000fd"), gas=100_000)
    assert receipt["status"] == "0x0"
    assert number(node.rpc("eth_getTransactionCount", wallet.address, "latest")) == 1
    assert wallet.deploy(COUNTER)["status"] == "0x1"


# --- receipts, blocks, transactions


def test_a_creation_names_its_contract(node: RunningNode, wallet: Wallet) -> None:
    receipt = wallet.deploy(COUNTER)
    assert receipt["to"] is None
    assert node.rpc("eth_getCode", receipt["contractAddress"], "latest") == "0x" + COUNTER.hex()


def test_a_receipt_and_its_transaction_agree(node: RunningNode, wallet: Wallet) -> None:
    contract = wallet.deploy(COUNTER)["contractAddress"]
    receipt = wallet.run(to=contract, gas=100_000)
    block = node.rpc("eth_getBlockByHash", receipt["blockHash"], True)
    tx = node.rpc("eth_getTransactionByHash", receipt["transactionHash"])
    assert block["transactions"] == [tx]
    assert tx["from"].lower() == receipt["from"].lower() == wallet.address.lower()
    assert (tx["blockNumber"], tx["transactionIndex"]) == (receipt["blockNumber"], receipt["transactionIndex"])
    assert node.rpc("eth_getBlockReceipts", receipt["blockNumber"]) == [receipt]
    assert number(node.rpc("eth_getBlockTransactionCountByNumber", receipt["blockNumber"])) == 1
    assert receipt["logsBloom"] == block["logsBloom"]


def test_the_bloom_holds_address_and_topics(node: RunningNode, wallet: Wallet) -> None:
    contract = wallet.deploy(COUNTER)["contractAddress"]
    bloom = number(wallet.run(to=contract, gas=100_000)["logsBloom"])
    expected = 0
    for item in (bytes.fromhex(contract[2:]), (42).to_bytes(32, "big")):
        digest = Web3.keccak(item)
        for start in (0, 2, 4):
            expected |= 1 << (int.from_bytes(digest[start : start + 2], "big") % 2048)
    assert bloom == expected


def test_blocks_are_linked(node: RunningNode) -> None:
    for _ in range(3):
        node.rpc("evm_mine")
    head = number(node.rpc("eth_blockNumber"))
    blocks = [node.rpc("eth_getBlockByNumber", hex(height), False) for height in range(head - 3, head + 1)]
    for parent, child in itertools.pairwise(blocks):
        assert child["parentHash"] == parent["hash"]
        assert number(child["timestamp"]) >= number(parent["timestamp"])
        assert node.rpc("eth_getBlockByHash", child["hash"], False) == child
    assert len({block["hash"] for block in blocks}) == 4


def test_what_does_not_exist_is_null(node: RunningNode) -> None:
    nowhere = "0x" + "12" * 32
    assert node.rpc("eth_getTransactionReceipt", nowhere) is None
    assert node.rpc("eth_getTransactionByHash", nowhere) is None
    assert node.rpc("eth_getBlockByHash", nowhere, False) is None
    assert node.rpc("eth_getBlockByNumber", "0xffffff", False) is None


# --- the pool


def test_pending_and_latest_nonce(node: RunningNode, wallet: Wallet) -> None:
    wallet.send(to=STRANGER)
    wallet.send(to=STRANGER)
    wallet.send(to=STRANGER, nonce=7)  # cannot be mined yet
    counts = [number(node.rpc("eth_getTransactionCount", wallet.address, tag)) for tag in ("latest", "pending")]
    assert counts == [0, 2]
    node.rpc("evm_mine")
    counts = [number(node.rpc("eth_getTransactionCount", wallet.address, tag)) for tag in ("latest", "pending")]
    assert counts == [2, 2]


def test_nonces_sent_in_any_order_are_mined_in_order(node: RunningNode, wallet: Wallet) -> None:
    hashes = {nonce: wallet.send(to=STRANGER, nonce=nonce) for nonce in (2, 0, 1)}
    assert node.rpc("eth_getTransactionReceipt", hashes[2]) is None
    node.rpc("evm_mine")
    block = node.rpc("eth_getBlockByNumber", "latest", False)
    assert block["transactions"] == [hashes[0], hashes[1], hashes[2]]


def test_a_pending_transaction_is_shown_without_a_block(node: RunningNode, wallet: Wallet) -> None:
    tx_hash = wallet.send(to=STRANGER)
    tx = node.rpc("eth_getTransactionByHash", tx_hash)
    assert (tx["hash"], tx["blockHash"], tx["blockNumber"]) == (tx_hash, None, None)
    node.rpc("evm_mine")


def test_the_same_bytes_again_are_already_imported(node: RunningNode, wallet: Wallet) -> None:
    raw = wallet.sign(to=STRANGER)
    node.rpc("eth_sendRawTransaction", raw)
    assert "already imported" in refused(node, "eth_sendRawTransaction", raw).message
    node.rpc("evm_mine")
    assert "nonce too low" in refused(node, "eth_sendRawTransaction", raw).message


def test_a_used_nonce_is_too_low(node: RunningNode, wallet: Wallet) -> None:
    wallet.run(to=STRANGER)
    assert "nonce too low" in refused(node, "eth_sendRawTransaction", wallet.sign(to=RICH.address, nonce=0)).message


def test_a_replacement_must_pay_more(node: RunningNode, wallet: Wallet) -> None:
    first = wallet.send(to=STRANGER, nonce=0, gasPrice=100)
    cheaper = wallet.sign(to=RICH.address, nonce=0, gasPrice=99)
    assert "replacement transaction underpriced" in refused(node, "eth_sendRawTransaction", cheaper).message
    second = wallet.send(to=RICH.address, nonce=0, gasPrice=200)
    node.rpc("evm_mine")
    assert node.rpc("eth_getTransactionReceipt", first) is None
    assert node.rpc("eth_getTransactionReceipt", second)["status"] == "0x1"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"value": 10**20}, "insufficient funds"),
        ({"gasPrice": 10**15}, "insufficient funds"),
        ({"gas": 20_999}, "intrinsic gas too low"),
        ({"gas": 30_000_001}, "gas"),
        ({"gasPrice": None, "maxFeePerGas": 1, "maxPriorityFeePerGas": 2}, "max priority fee per gas higher"),
    ],
    ids=["value", "fee", "too little gas", "too much gas", "tip"],
)
def test_what_can_never_be_mined_is_refused(
    node: RunningNode, wallet: Wallet, fields: dict[str, Any], message: str
) -> None:
    raw = wallet.sign(to=STRANGER, nonce=0, **fields)
    assert message in refused(node, "eth_sendRawTransaction", raw).message.lower()
    assert number(node.rpc("eth_getTransactionCount", wallet.address, "pending")) == 0


def test_garbage_is_no_transaction(node: RunningNode) -> None:
    assert refused(node, "eth_sendRawTransaction", "0x1234").code == -32602


# --- calls


def test_a_call_changes_nothing_and_needs_no_block_tag(node: RunningNode, wallet: Wallet) -> None:
    contract = wallet.deploy(COUNTER)["contractAddress"]
    answers = [node.rpc("eth_call", {"to": contract}), node.rpc("eth_call", {"to": contract}, "latest")]
    assert [number(answer) for answer in answers] == [1, 1]
    head = node.rpc("eth_blockNumber")
    assert number(node.rpc("eth_call", {"to": contract, "from": wallet.address}, head)) == 1


def test_a_revert_brings_reason_and_data(node: RunningNode, wallet: Wallet) -> None:
    contract = wallet.deploy(REVERTER)["contractAddress"]
    for method in ("eth_call", "eth_estimateGas"):
        failure = refused(node, method, {"to": contract, "from": wallet.address})
        assert failure.code == 3
        assert failure.message.startswith("execution reverted: NO")
        assert failure.data[:10] == "0x08c379a0"
        assert bytes.fromhex(failure.data[2:])[68:70] == b"NO"


def test_a_revert_without_reason_is_bare(node: RunningNode, wallet: Wallet) -> None:
    contract = wallet.deploy(HUNGRY)["contractAddress"]
    failure = refused(node, "eth_call", {"to": contract, "gas": "0xc350"})
    assert (failure.code, failure.message, failure.data) == (3, "execution reverted", "0x")


@pytest.mark.parametrize("runtime", [COUNTER, HUNGRY, TOGGLE], ids=["counter", "hungry", "toggle"])
def test_an_estimate_suffices(node: RunningNode, wallet: Wallet, runtime: bytes) -> None:
    contract = wallet.deploy(runtime)["contractAddress"]
    for _ in range(2):
        gas = number(node.rpc("eth_estimateGas", {"to": contract, "from": wallet.address}))
        assert wallet.run(to=contract, gas=gas)["status"] == "0x1"


def test_an_estimate_suffices_for_transfer_and_creation(node: RunningNode, wallet: Wallet) -> None:
    assert number(node.rpc("eth_estimateGas", {"to": STRANGER, "from": wallet.address, "value": "0x1"})) == 21_000
    data = creation(COUNTER)
    gas = number(node.rpc("eth_estimateGas", {"from": wallet.address, "data": "0x" + data.hex()}))
    assert wallet.run(data=data, gas=gas)["status"] == "0x1"


# --- logs and filters


def test_logs_by_range_address_topics_and_block(node: RunningNode, wallet: Wallet) -> None:
    contract, other = (wallet.deploy(COUNTER)["contractAddress"] for _ in range(2))
    receipt, _ = wallet.run(to=contract, gas=100_000), wallet.run(to=other, gas=100_000)
    since, topic, wrong = receipt["blockNumber"], f"0x{42:064x}", f"0x{43:064x}"

    def count(**query: Any) -> int:
        return len(node.rpc("eth_getLogs", {"fromBlock": since, "toBlock": "latest"} | query))

    assert node.rpc("eth_getLogs", {"blockHash": receipt["blockHash"]}) == receipt["logs"]
    assert (count(), count(address=contract), count(address=[contract, other])) == (2, 1, 2)
    assert (count(topics=[topic]), count(topics=[wrong]), count(topics=[[wrong, topic]])) == (2, 0, 2)
    assert (count(topics=[None]), count(topics=[topic, wrong])) == (2, 0)
    assert count(toBlock=since) == 1
    assert count(address=STRANGER) == 0


def test_filters_report_each_thing_once(node: RunningNode, wallet: Wallet) -> None:
    contract = wallet.deploy(COUNTER)["contractAddress"]
    logs, blocks = node.rpc("eth_newFilter", {"address": contract}), node.rpc("eth_newBlockFilter")
    receipt = wallet.run(to=contract, gas=100_000)
    assert node.rpc("eth_getFilterChanges", logs) == receipt["logs"]
    assert node.rpc("eth_getFilterChanges", blocks) == [receipt["blockHash"]]
    assert node.rpc("eth_getFilterChanges", logs) == node.rpc("eth_getFilterChanges", blocks) == []
    assert node.rpc("eth_uninstallFilter", logs) is True
    assert node.rpc("eth_uninstallFilter", logs) is False
    assert "filter not found" in refused(node, "eth_getFilterChanges", logs).message


# --- time and snapshots


def test_revert_takes_back_state_blocks_and_nonces(node: RunningNode, wallet: Wallet) -> None:
    contract = wallet.deploy(COUNTER)["contractAddress"]
    wallet.run(to=contract, gas=100_000)
    head = node.rpc("eth_getBlockByNumber", "latest", False)
    snapshot = node.rpc("evm_snapshot")
    later = [wallet.run(to=contract, gas=100_000), wallet.deploy(COUNTER)]
    assert node.rpc("evm_revert", snapshot) is True
    assert node.rpc("eth_getBlockByNumber", "latest", False) == head
    assert number(node.rpc("eth_getStorageAt", contract, "0x0", "latest")) == 1
    assert number(node.rpc("eth_getTransactionCount", wallet.address, "latest")) == 2
    assert node.rpc("eth_getCode", later[1]["contractAddress"], "latest") == "0x"
    assert node.rpc("eth_getTransactionReceipt", later[0]["transactionHash"]) is None
    assert node.rpc("evm_revert", snapshot) is False
    wallet.nonce = 2
    assert number(wallet.run(to=contract, gas=100_000)["gasUsed"]) == 27_045


def test_time_can_be_moved_forward(node: RunningNode) -> None:
    def mined() -> int:
        node.rpc("evm_mine")
        return number(node.rpc("eth_getBlockByNumber", "latest", False)["timestamp"])

    before = mined()
    node.rpc("evm_increaseTime", 1000)
    later = mined()
    assert 1000 <= later - before <= 1010
    node.rpc("evm_setNextBlockTimestamp", later + 5000)
    assert mined() == later + 5000
    assert mined() - later - 5000 in range(10)
    assert refused(node, "evm_setNextBlockTimestamp", 1).code == -32602


# --- the protocol


def test_batches_are_answered_one_for_one(node: RunningNode) -> None:
    answers = node.batch(("eth_chainId",), ("no_suchMethod",), ("eth_blockNumber",), ("eth_getBalance",))
    assert [answer["id"] for answer in answers] == [0, 1, 2, 3]
    assert number(answers[0]["result"]) == CHAIN_ID
    assert [answer.get("error", {}).get("code") for answer in answers] == [None, -32601, None, -32602]


def test_requests_that_are_none(node: RunningNode) -> None:
    bodies: list[Any] = [[], {"id": 1}, {"jsonrpc": "2.0", "id": 1, "params": []}]
    for body in bodies:
        assert node.post(json.dumps(body).encode())["error"]["code"] == -32600


def test_constants(node: RunningNode) -> None:
    assert number(node.rpc("eth_chainId")) == CHAIN_ID
    assert node.rpc("net_version") == str(CHAIN_ID)
    assert number(node.rpc("eth_gasPrice")) == 10**9
    assert node.rpc("eth_syncing") is False
    assert number(node.rpc("eth_getBlockByNumber", "latest", False)["baseFeePerGas"]) == 0


# --- web3.py


def test_a_web3_session(automining: RunningNode) -> None:
    web3 = Web3(HTTPProvider(automining.url))
    abi = [
        {"type": "function", "name": "count", "inputs": [], "outputs": [{"type": "uint256"}], "stateMutability": "view"}
    ]
    nonce = web3.eth.get_transaction_count(RICH.address)
    created: dict[str, Any] = {"data": creation(COUNTER), "nonce": nonce, "gas": 10**6, "gasPrice": web3.eth.gas_price}
    signed = RICH.sign_transaction(created | {"chainId": web3.eth.chain_id, "value": 0})
    receipt = web3.eth.wait_for_transaction_receipt(web3.eth.send_raw_transaction(signed.raw_transaction), timeout=10)
    address = receipt["contractAddress"]
    assert address is not None
    changes = web3.eth.filter({"address": address})
    call: dict[str, Any] = {
        "to": address,
        "nonce": nonce + 1,
        "gas": 10**5,
        "maxFeePerGas": 10**9,
        "maxPriorityFeePerGas": 1,
    }
    signed = RICH.sign_transaction(call | {"chainId": CHAIN_ID, "type": 2})
    receipt = web3.eth.wait_for_transaction_receipt(web3.eth.send_raw_transaction(signed.raw_transaction), timeout=10)
    assert receipt["status"] == 1
    assert [entry["transactionHash"] for entry in changes.get_new_entries()] == [receipt["transactionHash"]]
    logs = web3.eth.get_logs({"address": address, "fromBlock": 0})
    assert [int.from_bytes(log["data"], "big") for log in logs] == [1]
    assert web3.eth.contract(address, abi=abi).functions.count().call() == 2
    block: Any = web3.eth.get_block(receipt["blockHash"], full_transactions=True)
    assert block["transactions"][0]["nonce"] == nonce + 1
    assert web3.eth.fee_history(1, "latest", [50])["baseFeePerGas"] == [0, 0]


def test_a_batch_of_transactions_is_mined_with_its_request(automining: RunningNode) -> None:
    start = number(automining.rpc("eth_getTransactionCount", RICH.address, "latest"))
    rich = Wallet(automining, RICH, start)
    raw = [rich.sign(to=STRANGER, value=1) for _ in range(50)]
    answers = automining.batch(*(("eth_sendRawTransaction", one) for one in raw))
    web3 = Web3(HTTPProvider(automining.url))
    for answer in answers:
        assert web3.eth.wait_for_transaction_receipt(answer["result"], timeout=10)["status"] == 1
