"""The upstream contracts on the embedded node and on anvil alike. Gas figures were measured on anvil with the classic
contracts; the ranges are what zero bytes in addresses save.
"""

from itertools import pairwise
from typing import Any

import pytest
from web3 import Web3

from cicscenario.chain.abi import pack, selector, to_hex
from cicscenario.chain.contracts import ADD, GIVE_TO, HAVE, MINT_TO, TRANSFER, eth_call
from cicscenario.chain.rpc import RpcError
from cicscenario.chain.session import ChainSession
from tests.support.sandboxes import NODES, Sandbox
from tests.support.waiting import eventually

SOMEBODY = bytes.fromhex("c1912fee45d61c87cc5ea59dae31190fffff232d")
ANOTHER = bytes.fromhex("ea6225212005e86a4490018ded4bf37f3e772161")


class Client:
    """Sends from the sandbox's signer, one transaction at a time."""

    def __init__(self, session: ChainSession) -> None:
        self.session = session
        self.rpc = session.rpc
        self.me = to_hex(session.signer.address)

    def nonce(self, block: str = "latest") -> int:
        return int(self.rpc.call("eth_getTransactionCount", self.me, block), 16)

    def sign(
        self, to: bytes, data: bytes = b"", *, value: int = 0, gas: int = 300_000, nonce: int | None = None
    ) -> Any:
        number = self.nonce("pending") if nonce is None else nonce
        return self.session.signer.sign(nonce=number, gas_price=10**9, gas=gas, to=to, value=value, data=data)

    def receipt(self, digest: bytes) -> dict[str, Any]:
        found: dict[str, Any] = eventually(lambda: self.rpc.call("eth_getTransactionReceipt", to_hex(digest)))
        return found

    def send(self, to: bytes, data: bytes = b"", **options: int) -> dict[str, Any]:
        signed = self.sign(to, data, **options)
        assert self.rpc.call("eth_sendRawTransaction", to_hex(signed.raw)) == to_hex(signed.hash)
        return self.receipt(signed.hash)

    def refused(self, method: str, *params: Any) -> RpcError:
        with pytest.raises(RpcError) as refused:
            self.rpc.call(method, *params)
        return refused.value


@pytest.fixture(scope="module", params=NODES)
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from cicscenario.sandbox import stack

    home = tmp_path_factory.mktemp("home")
    try:
        info = stack.up(home, node=request.param, contracts="classic")
        yield Client(Sandbox(home, info.environment).session())
    finally:
        stack.down(home)


def used(receipt: dict[str, Any]) -> int:
    return int(receipt["gasUsed"], 16)


def test_gas_of_every_transaction_of_a_person(client: Client) -> None:
    contracts = client.session.contracts
    assert contracts.faucet
    registered = client.send(contracts.accounts_index, pack(ADD, SOMEBODY))
    assert used(registered) in range(75_850, 75_899)
    first = client.send(contracts.token.address, pack(TRANSFER, SOMEBODY, 5_000_000))
    assert used(first) in range(52_333, 52_370)
    again = client.send(contracts.token.address, pack(TRANSFER, SOMEBODY, 5_000_000))
    assert used(again) in range(35_233, 35_270)
    faucet = client.send(contracts.faucet.address, pack(GIVE_TO, SOMEBODY))
    assert used(faucet) in range(116_800, 116_843)
    minted = client.send(contracts.token.address, pack(MINT_TO, ANOTHER, 5_000_000))
    assert used(minted) in range(54_244, 54_281)
    assert used(client.send(SOMEBODY, value=1, gas=21_000)) == 21_000


def test_a_failed_transaction_costs_what_it_used_and_changes_nothing_else(client: Client) -> None:
    index = client.session.contracts.accounts_index
    who = b"\x31" * 20
    assert client.send(index, pack(ADD, who))["status"] == "0x1"
    before = int(client.rpc.call("eth_getBalance", client.me, "latest"), 16)
    failed = client.send(index, pack(ADD, who))
    assert failed["status"] == "0x0"
    assert failed["logs"] == []
    assert used(failed) in range(26_300, 26_370)
    after = int(client.rpc.call("eth_getBalance", client.me, "latest"), 16)
    assert before - after == used(failed) * int(failed["effectiveGasPrice"], 16)


def test_fees_and_value_are_exact(client: Client) -> None:
    who = b"\x32" * 20
    before = int(client.rpc.call("eth_getBalance", client.me, "latest"), 16)
    receipt = client.send(who, value=12345, gas=21_000)
    after = int(client.rpc.call("eth_getBalance", client.me, "latest"), 16)
    assert int(client.rpc.call("eth_getBalance", to_hex(who), "latest"), 16) == 12345
    assert before - after == 12345 + 21_000 * int(receipt["effectiveGasPrice"], 16)


def test_a_receipt_tells_all(client: Client) -> None:
    index = client.session.contracts.accounts_index
    receipt = client.send(index, pack(ADD, b"\x33" * 20))
    assert receipt["from"] == client.me
    assert receipt["to"] == to_hex(index)
    assert receipt["contractAddress"] is None
    assert receipt["type"] == "0x0"
    (log,) = receipt["logs"]
    assert log["address"] == to_hex(index)
    assert log["topics"][0] == "0x9cc987676e7d63379f176ea50df0ae8d2d9d1141d1231d4ce15b5965f73c9430"
    assert log["topics"][1] == "0x" + "00" * 12 + "33" * 20
    assert log["logIndex"] == "0x0"
    assert log["transactionHash"] == receipt["transactionHash"]
    block = client.rpc.call("eth_getBlockByNumber", receipt["blockNumber"], False)
    assert receipt["transactionHash"] in block["transactions"]
    assert block["hash"] == receipt["blockHash"] == log["blockHash"]
    assert receipt["logsBloom"] == block["logsBloom"] != "0x" + "00" * 256


def test_logs_are_found_by_address_topic_and_range(client: Client) -> None:
    index = client.session.contracts.accounts_index
    receipts = [client.send(index, pack(ADD, bytes([0x40 + n]) * 20)) for n in range(3)]
    span = {"fromBlock": receipts[0]["blockNumber"], "toBlock": receipts[2]["blockNumber"]}

    def found(**query: Any) -> list[str]:
        return [log["transactionHash"] for log in client.rpc.call("eth_getLogs", span | query)]

    everything = [receipt["transactionHash"] for receipt in receipts]
    topic, who = receipts[1]["logs"][0]["topics"][:2]
    assert found() == everything
    assert found(address=to_hex(index)) == everything
    assert found(address=[to_hex(index), to_hex(SOMEBODY)]) == everything
    assert found(address=to_hex(SOMEBODY)) == []
    assert found(topics=[topic]) == everything
    assert found(topics=[topic, who]) == everything[1:2]
    assert found(topics=[None, [who, receipts[2]["logs"][0]["topics"][1]]]) == everything[1:]
    assert found(topics=["0x" + "11" * 32]) == []
    by_hash = client.rpc.call("eth_getLogs", {"blockHash": receipts[1]["blockHash"]})
    assert [log["transactionHash"] for log in by_hash] == everything[1:2]


def test_filters_give_what_is_new(client: Client) -> None:
    index = client.session.contracts.accounts_index
    logs = client.rpc.call("eth_newFilter", {"address": to_hex(index)})
    blocks = client.rpc.call("eth_newBlockFilter")
    assert client.rpc.call("eth_getFilterChanges", logs) == []
    receipt = client.send(index, pack(ADD, b"\x34" * 20))
    changes = client.rpc.call("eth_getFilterChanges", logs)
    assert [log["transactionHash"] for log in changes] == [receipt["transactionHash"]]
    assert receipt["blockHash"] in client.rpc.call("eth_getFilterChanges", blocks)
    assert client.rpc.call("eth_getFilterChanges", logs) == []
    assert client.rpc.call("eth_uninstallFilter", logs) is True
    client.refused("eth_getFilterChanges", logs)


def test_the_same_bytes_twice_are_known(client: Client) -> None:
    signed = client.sign(SOMEBODY, value=1, gas=21_000)
    client.rpc.call("eth_sendRawTransaction", to_hex(signed.raw))
    again = client.rpc.results([("eth_sendRawTransaction", [to_hex(signed.raw)])])[0]
    if isinstance(again, RpcError):  # pending, or mined in between
        assert any(word in again.text for word in ("already known", "already imported", "nonce too low"))
    client.receipt(signed.hash)


def test_a_nonce_that_is_gone_is_too_low(client: Client) -> None:
    signed = client.sign(SOMEBODY, value=3, gas=21_000, nonce=client.nonce() - 1)
    assert "nonce too low" in client.refused("eth_sendRawTransaction", to_hex(signed.raw)).text


def test_a_later_nonce_waits_for_the_one_before(client: Client) -> None:
    number = client.nonce()
    later = client.sign(SOMEBODY, value=1, gas=21_000, nonce=number + 1)
    client.rpc.call("eth_sendRawTransaction", to_hex(later.raw))
    assert client.nonce("pending") == number
    assert client.rpc.call("eth_getTransactionReceipt", to_hex(later.hash)) is None
    assert client.rpc.call("eth_getTransactionByHash", to_hex(later.hash))["blockNumber"] is None
    client.send(SOMEBODY, value=2, gas=21_000, nonce=number)
    assert client.receipt(later.hash)["status"] == "0x1"
    assert client.nonce() == number + 2


def test_what_can_never_be_mined_is_refused(client: Client) -> None:
    poor = client.sign(SOMEBODY, value=10**30, gas=21_000)
    assert "insufficient funds" in client.refused("eth_sendRawTransaction", to_hex(poor.raw)).text.lower()
    small = client.sign(SOMEBODY, gas=20_999)
    assert "intrinsic gas" in client.refused("eth_sendRawTransaction", to_hex(small.raw)).text.lower()
    client.refused("eth_sendRawTransaction", "0x1234")


def test_reverts_carry_their_reason(client: Client) -> None:
    contracts = client.session.contracts
    assert contracts.faucet
    stranger = {"to": to_hex(contracts.faucet.address), "data": to_hex(pack(GIVE_TO, b"\x55" * 20)), "from": client.me}
    error = client.refused("eth_call", stranger, "latest")
    assert error.code == 3
    assert "execution reverted" in error.text
    assert "ERR_ACCOUNT_NOT_IN_INDEX" in error.text
    assert error.data.startswith("0x08c379a0")
    silent = {"to": to_hex(contracts.accounts_index), "data": to_hex(pack(ADD, SOMEBODY)), "from": to_hex(ANOTHER)}
    error = client.refused("eth_call", silent, "latest")
    assert error.code == 3
    assert error.data in ("0x", None)
    assert client.refused("eth_estimateGas", silent).code == 3


def test_an_estimate_suffices_and_one_less_does_not(client: Client) -> None:
    token = client.session.contracts.token.address
    data = pack(TRANSFER, b"\x56" * 20, 1_000_000)
    call = {"from": client.me, "to": to_hex(token), "data": to_hex(data)}
    estimate = int(client.rpc.call("eth_estimateGas", call), 16)
    assert client.send(token, data, gas=estimate)["status"] == "0x1"
    plain = {"from": client.me, "to": to_hex(SOMEBODY), "value": "0x1"}
    assert int(client.rpc.call("eth_estimateGas", plain), 16) == 21_000


def test_a_call_needs_no_block(client: Client) -> None:
    """chainlib leaves it out."""
    method, (call, _) = eth_call(client.session.contracts.accounts_index, pack(HAVE, b"\x57" * 20))
    assert int(client.rpc.call(method, call), 16) == 0


def test_a_snapshot_takes_everything_back(client: Client) -> None:
    index = client.session.contracts.accounts_index
    who = b"\x58" * 20
    have = eth_call(index, pack(HAVE, who))
    before = [client.nonce(), client.rpc.call("eth_getBalance", client.me, "latest")]
    mark = client.rpc.call("evm_snapshot")
    receipt = client.send(index, pack(ADD, who))
    assert int(client.rpc.calls([have])[0], 16) == 1
    assert client.rpc.call("evm_revert", mark) is True
    assert int(client.rpc.calls([have])[0], 16) == 0
    assert [client.nonce(), client.rpc.call("eth_getBalance", client.me, "latest")] == before
    assert client.rpc.call("eth_getTransactionReceipt", receipt["transactionHash"]) is None
    assert used(client.send(index, pack(ADD, who))) == used(receipt)


def test_blocks_are_linked(client: Client) -> None:
    newest = int(client.send(SOMEBODY, value=1, gas=21_000)["blockNumber"], 16)
    blocks = [client.rpc.call("eth_getBlockByNumber", hex(n), False) for n in range(newest + 1)]
    for parent, child in pairwise(blocks):
        assert child["parentHash"] == parent["hash"]
        assert int(child["timestamp"], 16) >= int(parent["timestamp"], 16)
    assert client.rpc.call("eth_getBlockByHash", blocks[1]["hash"], False)["number"] == "0x1"
    assert client.rpc.call("eth_getBlockByNumber", hex(newest + 1000), False) is None


def test_errors_have_the_protocols_codes(client: Client) -> None:
    assert client.refused("eth_noSuchThing").code == -32601
    assert client.refused("eth_getBalance", "nobody", "latest").code == -32602


def test_web3_works_with_it(client: Client) -> None:
    """Creation of a contract by hand: one that answers every call with 42."""
    web3 = Web3(Web3.HTTPProvider(client.rpc.url))
    assert web3.eth.chain_id == 8996
    code = "0x69602a60005260206000f3600052600a6016f3"
    signed = client.session.signer.sign(
        nonce=client.nonce(), gas_price=10**9, gas=200_000, to=b"", value=0, data=bytes.fromhex(code[2:])
    )
    digest = web3.eth.send_raw_transaction(signed.raw)
    receipt = web3.eth.wait_for_transaction_receipt(digest, timeout=10)
    assert receipt["status"] == 1
    assert receipt["contractAddress"] is not None
    answer = web3.eth.call({"to": receipt["contractAddress"], "data": "0x"})
    assert int(answer.hex(), 16) == 42
    assert web3.eth.get_code(receipt["contractAddress"]).hex() == "602a60005260206000f3"
    assert web3.eth.get_block("latest", full_transactions=True)["transactions"] is not None


def test_functions_are_found_by_their_selectors() -> None:
    assert selector("transfer(address,uint256)") == TRANSFER == bytes.fromhex("a9059cbb")
