"""Several nodes of one chain: another is asked when one does not answer, and all must serve the same chain."""

import base64
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.chain.nodes import Node
from cicscenario.chain.rpc import Rpc, UnansweredError
from cicscenario.chain.survey import NodeSurvey, survey
from cicscenario.errors import InterruptedRunError, InvalidError, UnavailableError
from cicscenario.language import load_environment
from tests.support.readable_chain import BLOCK, METHODS, ReadableChain
from tests.support.rude_node import Rudeness, RudeNode, calls_in, each_reply, hang, refuse_all, replace, reset, status

CHAIN_ID = 0x2324
GONE = "http://127.0.0.1:9"
_OTHERS = ("eth_sendRawTransaction", "eth_getLogs", "web3_clientVersion", "eth_getTransactionByHash")
_OTHERS += ("eth_getTransactionReceipt",)
ALL = [(method, METHODS[method][0]) for method in METHODS if method not in _OTHERS]
RIGHT = [METHODS[method][1] for method, _ in ALL]


@pytest.fixture(scope="module")
def chain() -> Iterator[ReadableChain]:
    with ReadableChain() as chain:
        yield chain


@pytest.fixture
def first(chain: ReadableChain) -> Iterator[RudeNode]:
    with RudeNode(chain.url) as node:
        yield node


@pytest.fixture
def second(chain: ReadableChain) -> Iterator[RudeNode]:
    with RudeNode(chain.url) as node:
        yield node


RUDE: dict[str, Rudeness] = {
    "reset": reset,
    "hangs": hang,
    "502": status(502),
    "403": status(403),
    "html": status(200),
    "429": status(429, Retry_After="0"),
    "redirect": status(302, Location="http://127.0.0.1:9"),
    "limited": refuse_all("rate limit", -32005, form="each"),
    "nulls": replace(lambda call: True, {"result": None}),
}


@pytest.mark.parametrize("kind", RUDE)
def test_another_is_asked_when_one_does_not_answer(first: RudeNode, second: RudeNode, kind: str) -> None:
    first.rude = RUDE[kind]
    rpc = Rpc([first.url, second.url], timeout=0.3, patience=3)
    assert rpc.calls(ALL) == RIGHT
    assert rpc.name == second.url
    asked = len(first.seen)
    assert rpc.calls(ALL) == RIGHT
    assert len(first.seen) == asked  # it stays with the one that answers


def test_what_is_sent_goes_where_the_reads_came_from(first: RudeNode, second: RudeNode) -> None:
    rpc = Rpc([first.url, second.url], patience=3)
    for _ in range(5):
        rpc.call("eth_getTransactionCount", "0x1", "latest")
        rpc.call("eth_sendRawTransaction", "0x12")
    assert len(first.seen) == 10
    assert not second.seen


def test_what_got_no_answer_is_not_sent_to_another_by_itself(first: RudeNode, second: RudeNode) -> None:
    first.rude = status(502)
    rpc = Rpc([first.url, second.url], patience=3)
    with pytest.raises(UnansweredError):
        rpc.call("eth_sendRawTransaction", "0x12")
    assert not second.seen
    rpc.call("eth_sendRawTransaction", "0x12")  # the ledger sends the same bytes again
    assert len(second.seen) == 1


def test_it_comes_back_to_the_first_when_the_second_fails(first: RudeNode, second: RudeNode) -> None:
    rpc = Rpc([first.url, second.url], patience=3)
    first.rude = reset
    assert rpc.calls(ALL) == RIGHT
    first.rude, second.rude = None, reset
    assert rpc.calls(ALL) == RIGHT
    assert rpc.name == first.url


def test_when_none_answers_the_wait_ends(first: RudeNode, second: RudeNode) -> None:
    first.rude = second.rude = status(403)
    with pytest.raises(UnansweredError, match="HTTP 403"):
        Rpc([first.url, second.url], patience=0.5).calls(ALL)
    assert first.seen
    assert second.seen


def test_each_node_has_its_own_number_of_calls(first: RudeNode, second: RudeNode) -> None:
    rpc = Rpc([first.url, second.url], patience=3)
    first.rude = lambda handler, body: len(calls_in(body)) > 2 and refuse_all("batch too large")(handler, body)
    assert rpc.calls(ALL) == RIGHT
    first.rude = reset
    second.seen.clear()
    assert rpc.calls(ALL) == RIGHT
    assert len(calls_in(second.seen[-1])) > 2


# --- before anything else -----------------------------------------------------------------------------------------


def environment_of(tmp_path: Path, *urls: str, more: str = "") -> Path:
    (tmp_path / "key").write_text("11" * 32)
    path = tmp_path / "place.yaml"
    path.write_text(
        f"version: 1\nname: place\nchain:\n  rpc: {list(urls) if len(urls) > 1 else urls[0]}\n{more}"
        f"  spec: evm:byzantium:{CHAIN_ID}:bloxberg\n  registry: '0x{'00' * 20}'\n  signer: {{private_key: 'file:key'}}\n"
    )
    return path


def surveyed(tmp_path: Path, *urls: str, more: str = "") -> NodeSurvey:
    chain = load_environment(environment_of(tmp_path, *urls, more=more)).chain
    assert chain
    return survey(chain, lambda some: Rpc(some, timeout=0.3, patience=0.3))


def test_one_node_is_asked_once_and_about_its_program_only_when_that_matters(first: RudeNode, tmp_path: Path) -> None:
    assert surveyed(tmp_path, first.url).window == 2.0
    assert len(first.seen) == 2
    found = surveyed(tmp_path, first.url, more="  window: 0.3\n")
    assert found.window == 0.3
    assert found.urls == (first.url,)
    assert not found.silent
    assert (found.facts.chain_id, found.facts.genesis, found.facts.height) == (CHAIN_ID, BLOCK["hash"], 16)
    assert len(first.seen) == 3


def test_a_node_that_does_not_answer_is_left_out_and_said(first: RudeNode, tmp_path: Path) -> None:
    found = surveyed(tmp_path, GONE, first.url)
    assert found.urls == (first.url,)
    assert len(found.silent) == 1
    assert found.silent[0].startswith(f"chain node {GONE} does not answer")


def test_when_none_answers_all_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as raised:
        surveyed(tmp_path, GONE, "http://127.0.0.1:10")
    assert raised.value.message.startswith("none of the 2 nodes of `chain.rpc` can be used:")
    assert f"\n  chain node {GONE} does not answer" in raised.value.message
    assert "\n  chain node http://127.0.0.1:10 does not answer" in raised.value.message


def test_a_node_of_another_chain_is_named(first: RudeNode, second: RudeNode, tmp_path: Path) -> None:
    second.rude = replace(lambda call: call["method"] == "eth_chainId", {"result": "0x7"})
    with pytest.raises(UnavailableError, match=f"{second.url} is chain 7, but the environment's spec is evm:byz"):
        surveyed(tmp_path, first.url, second.url)


def test_nodes_with_different_first_blocks_are_named(first: RudeNode, second: RudeNode, tmp_path: Path) -> None:
    other = BLOCK | {"hash": "0x" + "cd" * 32}
    second.rude = replace(lambda call: call["params"][:1] == ["0x0"], {"result": other})
    with pytest.raises(UnavailableError, match=f"{first.url} and {second.url} serve different chains"):
        surveyed(tmp_path, first.url, second.url)


@pytest.mark.parametrize("method", ["eth_chainId", "eth_getBlockByNumber", "eth_gasPrice"])
def test_a_question_that_is_refused_is_told_as_such(first: RudeNode, tmp_path: Path, method: str) -> None:
    error = {"error": {"code": -32601, "message": "Method not found"}}
    first.rude = replace(lambda call: call["method"] == method, error)
    with pytest.raises(UnavailableError, match=f"^{first.url} refused {method}: Method not found$") as raised:
        surveyed(tmp_path, first.url)
    assert "chain.rpc" in (raised.value.hint or "")


def test_the_price_need_not_be_told_when_it_is_given(first: RudeNode, tmp_path: Path) -> None:
    first.rude = replace(lambda call: call["method"] == "eth_gasPrice", {"error": {"code": -32601, "message": "no"}})
    assert surveyed(tmp_path, first.url, more="  gas_price: 7\n").facts.chain_id == CHAIN_ID


def suggesting_50(base: str | None) -> Rudeness:
    """A node that answers 50 wei to eth_gasPrice, and whose blocks have this base fee, or none."""
    block = {key: value for key, value in BLOCK.items() if key != "baseFeePerGas"}
    block |= {"baseFeePerGas": base} if base else {}

    def changed(reply: dict) -> dict:
        result = reply["result"]
        return reply | {"result": block if isinstance(result, dict) else "0x32" if result == "0x1" else result}

    return each_reply(changed)


@pytest.mark.parametrize(
    ("base", "more", "fees"),
    [
        (None, "", (50, None)),
        (None, "  gas_price: 7\n", (7, None)),
        ("0x0", "", (50, 50)),
        ("0x14", "", (70, 30)),  # twice the base fee of 20, and what the node's price of 50 is above it
        ("0x64", "", (200, 0)),
        ("0x14", "  gas_price: 7\n", (7, None)),
        ("0x14", "  max_fee_per_gas: 60\n", (60, 30)),
        ("0x14", "  max_fee_per_gas: 25\n", (25, 25)),
        ("0x14", "  max_priority_fee_per_gas: 5\n", (50, 5)),
        ("0x14", "  max_fee_per_gas: 90\n  max_priority_fee_per_gas: 5\n", (90, 5)),
    ],
)
def test_the_fees_are_those_of_eip_1559_where_blocks_have_a_base_fee(
    first: RudeNode, tmp_path: Path, base: str | None, more: str, fees: tuple[int, int | None]
) -> None:
    first.rude = suggesting_50(base)
    facts = surveyed(tmp_path, first.url, more=more).facts
    assert (facts.gas_price, facts.priority_fee) == fees


@pytest.mark.parametrize("key", ["max_fee_per_gas", "max_priority_fee_per_gas"])
def test_fees_of_eip_1559_where_blocks_have_no_base_fee_are_an_error_of_the_file(
    first: RudeNode, tmp_path: Path, key: str
) -> None:
    first.rude = suggesting_50(None)
    with pytest.raises(InvalidError, match=f"chain.{key} is .* but the blocks of .* have no base fee"):
        surveyed(tmp_path, first.url, more=f"  {key}: 5\n")


@pytest.mark.parametrize(
    ("program", "base_fee", "window"),
    [
        ({"result": "Geth/v1.13.5-stable/linux-amd64/go1.21.4"}, None, 2.0),
        ({"result": "OpenEthereum//v3.3.5"}, "0x0", 2.0),
        ({"error": {"code": -32601, "message": "anvil/ is not told"}}, None, 2.0),
        ({"result": None}, None, 2.0),
        ({"error": {"code": -32603, "message": "internal error"}}, None, 2.0),
        ({"result": "anvil/v1.7.1"}, None, 0.9),
        ({"result": "Geth/v1.13.5-stable/linux-amd64/go1.21.4"}, "0x7", 0.9),
    ],
)
def test_more_than_a_block_may_be_in_flight_where_full_blocks_do_no_harm(
    first: RudeNode, second: RudeNode, tmp_path: Path, program: dict, base_fee: str | None, window: float
) -> None:
    newest = BLOCK | ({"baseFeePerGas": base_fee} if base_fee else {})
    told = replace(lambda call: call["method"] == "web3_clientVersion", program)
    blocks = replace(lambda call: call["method"] == "eth_getBlockByNumber", {"result": newest})
    second.rude = lambda handler, body: blocks(handler, body) if base_fee else told(handler, body)
    assert surveyed(tmp_path, first.url, second.url).window == window, "the least of the nodes' counts"


def test_a_block_that_is_null_at_first_is_asked_for_again(first: RudeNode, tmp_path: Path) -> None:
    nulls = replace(lambda call: call["method"] == "eth_getBlockByNumber", {"result": None})
    first.rude = lambda handler, body: len(first.seen) < 2 and nulls(handler, body)
    assert surveyed(tmp_path, first.url).facts.genesis == BLOCK["hash"]


@pytest.mark.parametrize("urls", ["[]", "[http://a.example, ftp://b.example]", "7", "[[http://a.example]]"])
def test_what_is_no_list_of_addresses_is_an_error_of_the_file(tmp_path: Path, urls: str) -> None:
    path = environment_of(tmp_path, urls)
    with pytest.raises(InvalidError, match="rpc"):
        load_environment(path)


def test_a_stop_ends_the_survey(tmp_path: Path) -> None:
    stopping = threading.Event()
    stopping.set()
    chain = load_environment(environment_of(tmp_path, GONE, GONE)).chain
    assert chain
    with pytest.raises(InterruptedRunError):
        survey(chain, lambda some: Rpc(some, patience=60, stopping=stopping))


# --- user and password ----------------------------------------------------------------------------------------------


class Guarded(ReadableChain):
    """Knows one user."""

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        given = headers.get("Authorization", "")
        expected = "Basic " + base64.b64encode(b"clerk:p@ss/word").decode()
        return super().answer(method, path, headers, body) if given == expected else (401, f"you said {given}")


def test_user_and_password_of_an_address_are_sent() -> None:
    with Guarded() as node:
        url = node.url.replace("//", "//clerk:p%40ss%2Fword@")
        assert Rpc(url).call("eth_chainId") == "0x2324"
        with pytest.raises(UnansweredError, match="HTTP 401") as raised:
            Rpc(node.url.replace("//", "//clerk:wrongword@")).call("eth_chainId")
        assert "wrongword" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("https://clerk:p%40ss%2Fword@node.example/rpc", ["clerk", "p%40ss%2Fword", "p@ss/word"]),
        ("https://node.example/v3/0123456789abcdef", ["0123456789abcdef"]),
        ("https://node.example/rpc?apikey=0123456789abcdef", ["0123456789abcdef"]),
    ],
)
def test_what_a_node_or_a_library_says_is_shown_without_secrets(url: str, secrets: list[str]) -> None:
    node = Node(url, 100)
    said = node.clean(f"cannot open {url}: unknown project {' '.join(secrets)}, see rpc v3")
    assert not any(secret in said for secret in secrets)
    assert "see rpc v3" in said


def test_a_key_that_a_node_repeats_is_not_shown(first: RudeNode) -> None:
    first.rude = refuse_all("project 0123456789abcdef is over its limits", -32000, form="each")
    with pytest.raises(Exception, match=r"project \*\*\* is over its limits"):
        Rpc(f"{first.url}/v3/0123456789abcdef", patience=0).call("eth_chainId")
