"""A node's answers: whatever it says, or says instead, is a message for people and tells no secret."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cicscenario.chain.refusal import Refusal, refusal
from cicscenario.chain.rpc import Rpc, RpcError
from cicscenario.chain.session import connect
from cicscenario.errors import CicScenarioError, UnavailableError
from cicscenario.language import load_environment
from tests.support.fake_server import FakeServer
from tests.support.rude_node import calls_in


class Node(FakeServer):
    """Answers each batch of calls as ``says`` says."""

    says: Callable[[list[dict[str, Any]]], tuple[int, str]]

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        return self.says(calls_in(body))


@pytest.fixture
def node() -> Iterator[Node]:
    with Node() as node:
        yield node


def failure(node: Node) -> CicScenarioError:
    """What one call raises; it tells no secret."""
    with pytest.raises(CicScenarioError) as raised:
        Rpc(f"{node.url.replace('//', '//someone:hunter2@')}/v3/apikey", patience=0).call("eth_chainId")
    for secret in ("hunter2", "apikey"):
        assert secret not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (200, "<html>welcome</html>", "does not speak JSON-RPC: it answers '<html>welcome</html>'"),
        (200, "[1]", r"does not speak JSON-RPC: it answers \[1\]"),
        (200, "[]", r"does not speak JSON-RPC: it answers \[\]"),
        (200, '{"id": 0, "result": "0x1"}', "left 1 of 1 calls unanswered: eth_chainId"),
        (200, "{}", "is not a working Ethereum node: it answers eth_chainId with None"),
        (401, "no", "answers with HTTP 401"),
    ],
)
def test_an_answer_that_is_none_is_said(node: Node, status: int, text: str, said: str) -> None:
    node.says = lambda calls: (status, text)
    error = failure(node)
    assert isinstance(error, UnavailableError)
    assert re.match(rf"chain node http://127\.0\.0\.1:\d+ {said}", error.message)
    assert "chain.rpc" in (error.hint or "")


def test_a_redirect_is_said_and_not_followed(node: Node) -> None:
    """Signed transactions go only where the environment file says."""
    node.says = lambda calls: (308, "")
    node.headers = lambda status: {"Location": "https://someone:hunter2@node.example/v3/apikey"}  # type: ignore[method-assign]
    error = failure(node)
    assert error.message.endswith("redirects to https://node.example, and redirects are not followed")
    assert "chain.rpc" in (error.hint or "")


def test_an_error_may_be_a_bare_text(node: Node) -> None:
    node.says = lambda calls: (200, json.dumps([{"id": calls[0]["id"], "error": "rate limited"}]))
    error = failure(node)
    assert isinstance(error, RpcError)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+ refused eth_chainId: rate limited", error.message)


def test_an_error_that_is_null_is_none(node: Node) -> None:
    answer = {"jsonrpc": "2.0", "result": "0x1", "error": None}
    node.says = lambda calls: (200, json.dumps([answer | {"id": call["id"]} for call in calls]))
    assert Rpc(node.url).call("eth_chainId") == "0x1"


def test_a_node_that_is_not_there_is_said_without_its_secrets() -> None:
    with pytest.raises(UnavailableError, match=r"^chain node http://127\.0\.0\.1:9 does not answer: ") as silent:
        Rpc("http://someone:hunter2@127.0.0.1:9/v3/apikey", patience=0).call("eth_chainId")
    assert "hunter2" not in str(silent.value)
    assert "apikey" not in str(silent.value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("already known", Refusal.KNOWN),
        ("Transaction with the same hash was already imported.", Refusal.KNOWN),
        ("AlreadyKnown", Refusal.KNOWN),
        ("nonce too low: next nonce 7, tx nonce 5", Refusal.NONCE_USED),
        ("Transaction nonce is too low. Try incrementing the nonce.", Refusal.NONCE_USED),
        ("OldNonce, Current nonce: 7, nonce of rejected tx: 5", Refusal.NONCE_USED),
        ("replacement transaction underpriced", Refusal.NONCE_PENDING),
        (
            "Transaction gas price is too low. There is another transaction with same nonce in the queue.",
            Refusal.NONCE_PENDING,
        ),
        ("insufficient funds for gas * price + value", Refusal.PERMANENT),
        ("Insufficient funds for gas * price + value", Refusal.PERMANENT),
        ("transaction underpriced", Refusal.FEE_TOO_LOW),
        ("txpool is full", Refusal.TRANSIENT),
    ],
)
def test_a_refusal_is_known_by_its_words(text: str, kind: Refusal) -> None:
    assert refusal(RpcError("eth_sendRawTransaction", "node", {"code": -32000, "message": text})) is kind


def test_a_node_that_has_no_chain_yet_is_said(node: Node, tmp_path: Path) -> None:
    node.says = lambda calls: (200, json.dumps([{"id": call["id"], "result": None} for call in calls]))
    (tmp_path / "key").write_text("11" * 32)
    place = tmp_path / "place.yaml"
    place.write_text(
        f"version: 1\nname: place\nchain:\n  rpc: {node.url}\n"
        f"  spec: evm:byzantium:8996:bloxberg\n  registry: '0x{'00' * 20}'\n  signer: {{private_key: 'file:key'}}\n"
    )
    with pytest.raises(UnavailableError, match="is not a working Ethereum node"):
        connect(load_environment(place).chain, None)
