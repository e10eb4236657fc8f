"""What a node says counts only while it serves the chain that the session was opened with."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from cicscenario.chain import reading
from cicscenario.chain.reading import block_time, numbers, on_this_chain, up_to_date
from cicscenario.chain.rpc import Call, Rpc
from cicscenario.chain.session import ChainSession
from cicscenario.chain.trace import ancestor
from cicscenario.errors import UnavailableError
from tests.support.fake_server import FakeServer
from tests.support.memory_chain import SIGNER

OURS, ANOTHER = f"0x{'11' * 32}", f"0x{'22' * 32}"
BALANCE: Call = ("eth_getBalance", [f"0x{'ab' * 20}", "latest"])


class ChangingNode(FakeServer):
    """Serves one chain after the other, one for each request, and the last one for good. Only the first chain has money."""

    def __init__(self) -> None:
        super().__init__()
        self.served: list[Any] = [OURS]
        self.requests = 0

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        asked = json.loads(body)
        calls = asked if isinstance(asked, list) else [asked]
        genesis = self.served[0] if len(self.served) == 1 else self.served.pop(0)
        self.requests += 1
        result = {
            "eth_blockNumber": "0x9",
            "eth_getBalance": "0x7" if genesis == OURS else "0x0",
            "eth_getTransactionCount": "0x7" if genesis == OURS else "0x0",
            "eth_getBlockByNumber": {"hash": genesis, "number": "0x0", "timestamp": "0x1"},
        }
        answers = [{"jsonrpc": "2.0", "id": call["id"], "result": result[call["method"]]} for call in calls]
        return 200, json.dumps(answers if isinstance(asked, list) else answers[0])


@pytest.fixture
def node() -> Iterator[ChangingNode]:
    with ChangingNode() as server:
        yield server


@pytest.fixture
def rpc(node: ChangingNode, monkeypatch: pytest.MonkeyPatch) -> Rpc:
    monkeypatch.setattr(reading, "_LAG", 0.2)
    monkeypatch.setattr(reading, "_LOOK_AGAIN", 0.01)
    rpc = Rpc(node.url)
    rpc.nodes.genesis = OURS
    return rpc


def _up_to_date(rpc: Rpc, calls: Sequence[Call], stopping: threading.Event | None) -> list[Any]:
    return up_to_date(rpc, calls, lambda: 5, stopping)


READS = pytest.mark.parametrize("read", [on_this_chain, _up_to_date])
Read = Callable[[Rpc, Sequence[Call], threading.Event | None], list[Any]]


@READS
def test_an_answer_of_the_chain_counts_and_costs_one_request(rpc: Rpc, node: ChangingNode, read: Read) -> None:
    assert read(rpc, [BALANCE], None) == ["0x7"]
    assert node.requests == 1


@READS
def test_a_node_that_has_its_chain_back_is_waited_for(rpc: Rpc, node: ChangingNode, read: Read) -> None:
    node.served = [ANOTHER, ANOTHER, OURS]
    assert read(rpc, [BALANCE], None) == ["0x7"]


@READS
def test_what_a_node_with_another_chain_says_is_no_answer(rpc: Rpc, node: ChangingNode, read: Read) -> None:
    node.served = [ANOTHER]
    with pytest.raises(
        UnavailableError, match=f"another chain than before: its first block is {ANOTHER}, and was {OURS}"
    ):
        read(rpc, [BALANCE], None)


def test_blocks_of_another_chain_do_not_show_that_this_one_went_back(rpc: Rpc, node: ChangingNode) -> None:
    node.served = [ANOTHER]
    with pytest.raises(UnavailableError, match="another chain"):
        ancestor(rpc, {0: OURS})


def test_the_time_is_that_of_this_chain(rpc: Rpc, node: ChangingNode) -> None:
    assert block_time(rpc) == 1
    node.served = [ANOTHER]
    with pytest.raises(UnavailableError, match="another chain"):
        block_time(rpc)


@pytest.mark.parametrize("question", [ChainSession.next_nonce, ChainSession.balance])
def test_what_is_asked_about_the_signer_is_of_this_chain(
    rpc: Rpc, node: ChangingNode, question: Callable[[ChainSession], int]
) -> None:
    """A state begins with the signer's nonce: with one that is too low, what others have sent would be doubtful for ever."""
    none: Any = None
    session = ChainSession(none, rpc, SIGNER, none, 1, OURS, 1, 1, 1, 1.0)
    assert question(session) == 7
    node.served = [ANOTHER]
    with pytest.raises(UnavailableError, match="another chain"):
        question(session)


def test_before_the_chain_is_known_nothing_is_compared(rpc: Rpc, node: ChangingNode) -> None:
    rpc.nodes.genesis = None
    node.served = [ANOTHER]
    assert on_this_chain(rpc, [BALANCE], None) == ["0x0"]
    assert numbers(rpc, [BALANCE]) == [0]


def test_a_chain_that_went_back_is_not_waited_for_when_the_ledger_has_gone_back_too(
    rpc: Rpc, node: ChangingNode
) -> None:
    heights = iter([12, 12, 9])
    assert up_to_date(rpc, [BALANCE], lambda: next(heights), None) == ["0x7"]
    assert node.requests == 3
