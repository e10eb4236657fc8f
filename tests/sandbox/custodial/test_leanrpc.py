"""Reads of the chain that take a short way give what the long way gives, and leave to it whatever is unusual."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from cicscenario.chain.rpc import Rpc, RpcError
from cicscenario.errors import UnavailableError
from cicscenario.sandbox.custodial.leanrpc import LeanRpc
from tests.support.fake_server import FakeServer
from tests.support.rude_node import calls_in

BALANCE = ("eth_getBalance", ["0x" + "11" * 20, "latest"])


class Node(FakeServer):
    """Answers each request with the next of ``replies``, and when there is none with balances."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: list[tuple[int, str] | None] = []
        self.asked: list[Any] = []

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str] | None:
        self.asked.append(json.loads(body))
        if self.replies:
            return self.replies.pop(0)
        answers = [
            {"jsonrpc": "2.0", "id": call["id"], "result": hex(number)} for number, call in enumerate(calls_in(body), 1)
        ]
        return 200, json.dumps(answers if isinstance(self.asked[-1], list) else answers[0])


@pytest.fixture
def node() -> Iterator[Node]:
    with Node() as node:
        yield node


@pytest.fixture
def rpc(node: Node) -> Iterator[LeanRpc]:
    with closing(LeanRpc(node.url, batch=100)) as made:
        yield made


@pytest.mark.parametrize("number", [1, 2, 5])
def test_reads_are_asked_and_answered_as_by_the_usual_client(node: Node, rpc: LeanRpc, number: int) -> None:
    assert rpc.calls([BALANCE] * number) == [hex(count) for count in range(1, number + 1)]
    Rpc(node.url).calls([BALANCE] * number)
    assert len(node.asked) == 2
    assert node.asked[0] == node.asked[1]


@pytest.mark.parametrize(
    "reply",
    [
        None,
        (200, "no JSON"),
        (200, "[]"),
        (200, '{"jsonrpc": "2.0", "id": 7, "result": "0x5"}'),
        (200, '{"jsonrpc": "2.0", "id": 1, "result": 5}'),
        (503, '{"jsonrpc": "2.0", "id": 1, "result": "0x5"}'),
    ],
)
def test_what_is_no_answer_is_asked_again(node: Node, rpc: LeanRpc, reply: tuple[int, str] | None) -> None:
    node.replies = [reply]
    assert rpc.call(BALANCE[0], *BALANCE[1]) == "0x1"
    assert len(node.asked) == 2
    assert rpc.call(BALANCE[0], *BALANCE[1]) == "0x1"
    assert len(node.asked) == 3


def test_a_refusal_is_the_usual_error(node: Node, rpc: LeanRpc) -> None:
    refusal = json.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": 3, "message": "execution reverted"}})
    node.replies = [(200, refusal), (200, refusal)]
    with pytest.raises(RpcError, match="execution reverted"):
        rpc.call(BALANCE[0], *BALANCE[1])


def test_what_writes_is_sent_once(node: Node, rpc: LeanRpc) -> None:
    node.replies = [None]
    with pytest.raises(UnavailableError):
        rpc.call("eth_sendRawTransaction", "0x00")
    assert len(node.asked) == 1
