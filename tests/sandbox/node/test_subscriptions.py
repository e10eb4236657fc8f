"""``eth_subscribe`` over a WebSocket: what is told, to whom, and until when."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from cicscenario.errors import UnavailableError
from cicscenario.sandbox.news import BLOCKS, news
from cicscenario.sandbox.ports import free_port
from tests.support.running_node import RICH, RunningNode, Wallet

_PATIENCE = 60  # seconds


@pytest.fixture
def socket(node: RunningNode) -> Iterator[ClientConnection]:
    with connect(node.url.replace("http", "ws"), compression=None) as connection:
        yield connection


def ask(socket: ClientConnection, method: str, *params: Any) -> dict[str, Any]:
    socket.send(json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}))
    return told(socket)


def told(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(_PATIENCE))
    return message


def test_each_new_block_is_told_in_order_as_both_nodes_do(node: RunningNode, socket: ClientConnection) -> None:
    subscription = ask(socket, "eth_subscribe", "newHeads")["result"]
    first = int(node.rpc("eth_blockNumber"), 16) + 1
    node.rpc("evm_mine")
    node.rpc("evm_mine")
    for number in (first, first + 1):
        message = told(socket)
        assert message["method"] == "eth_subscription"
        assert message["params"]["subscription"] == subscription
        header, block = message["params"]["result"], node.rpc("eth_getBlockByNumber", hex(number), False)
        assert {"number", "hash", "parentHash", "timestamp", "gasUsed", "logsBloom"} <= header.keys()
        assert {name: header[name] for name in ("number", "hash", "parentHash")} == {
            name: block[name] for name in ("number", "hash", "parentHash")
        }


def test_nothing_is_told_after_the_subscription_has_ended(node: RunningNode, socket: ClientConnection) -> None:
    subscription = ask(socket, "eth_subscribe", "newHeads")["result"]
    assert ask(socket, "eth_unsubscribe", subscription)["result"] is True
    node.rpc("evm_mine")
    assert ask(socket, "eth_chainId")["result"] == "0x2324", "the next message is the answer, not a block"
    assert ask(socket, "eth_unsubscribe", subscription).get("result", False) is False


def test_a_transaction_may_come_the_same_way(tmp_path: Path) -> None:
    node = RunningNode("embedded", tmp_path, manual=False).start()
    try:
        with connect(node.url.replace("http", "ws"), compression=None) as socket:
            ask(socket, "eth_subscribe", "newHeads")
            sent = ask(socket, "eth_sendRawTransaction", Wallet(node, RICH).sign(to=RICH.address))
            assert "result" in sent
            assert told(socket)["params"]["result"]["number"] == "0x1"
            assert "only newHeads" in ask(socket, "eth_subscribe", "logs", {})["error"]["message"]
            blocks = news(node.url, BLOCKS)
            next(blocks)
            assert node.stop() == 0, "it does not wait for who listens"
            with pytest.raises(UnavailableError, match="newHeads"):
                next(blocks)
    finally:
        if node.process is not None and node.process.poll() is None:
            node.stop()


def test_a_node_that_is_not_there_or_has_no_such_news_is_told(automining: RunningNode) -> None:
    with pytest.raises(UnavailableError, match="does not send newHeads"):
        next(news(f"http://127.0.0.1:{free_port()}", BLOCKS))
    with pytest.raises(UnavailableError, match="does not send newWeather"):
        next(news(automining.url, "newWeather"))
