"""How many calls a node takes in one request: found out from whatever it does with larger ones, and remembered."""

import json
from collections.abc import Callable, Iterator

import pytest

from cicscenario.chain.nodes import BatchSize
from cicscenario.chain.rpc import Call, Rpc, RpcError, UnansweredError
from tests.support.fake_server import FakeServer
from tests.support.rude_node import (
    Handler,
    Rudeness,
    RudeNode,
    beyond,
    calls_in,
    hang,
    refuse_all,
    replace,
    reset,
    status,
)

READS: list[Call] = [("eth_getBalance", [hex(number), "latest"]) for number in range(64)]
WRITES: list[Call] = [("eth_sendRawTransaction", [hex(number)]) for number in range(64)]
RIGHT = [hex(number) for number in range(64)]


class Echo(FakeServer):
    """A node that answers each call with the call's first parameter. ``carried_out`` are the transactions it has taken."""

    def __init__(self) -> None:
        super().__init__()
        self.carried_out: list[str] = []

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        asked = json.loads(body)
        replies = [{"jsonrpc": "2.0", "id": call["id"], "result": call["params"][0]} for call in calls_in(body)]
        self.carried_out += [call["params"][0] for call in calls_in(body) if call["method"] == "eth_sendRawTransaction"]
        return 200, json.dumps(replies if isinstance(asked, list) else replies[0])


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as echo:
        yield echo


@pytest.fixture
def node(echo: Echo) -> Iterator[RudeNode]:
    with RudeNode(echo.url) as node:
        yield node


def sizes(node: RudeNode) -> list[int]:
    return [len(calls_in(body)) for body in node.seen]


#: Refusals that say that the number of calls is the cause. ``0`` in the name: a node that takes no list at all.
SAID: dict[str, Callable[[int], Rudeness]] = {
    "geth": lambda most: beyond(most, refuse_all("batch too large")),
    "each call": lambda most: beyond(most, refuse_all("batch too large", -32000, form="each")),
    "alone": lambda most: beyond(most, refuse_all(f"batch limit {most} exceeded", -32000, form="alone")),
    "invalid request": lambda most: beyond(most, refuse_all("Invalid Request", form="alone")),
    "not supported": lambda most: beyond(most, refuse_all("Batch requests are not supported", form="alone")),
    "no list": lambda most: beyond(most, refuse_all("cannot unmarshal array into Go value", -32700, form="alone")),
    "413": lambda most: beyond(most, status(413)),
    "400 with a reason": lambda most: beyond(most, refuse_all("too many calls", -32000, form="alone", http=400)),
}
#: What may have another cause.
UNSAID: dict[str, Callable[[int], Rudeness]] = {
    "reset": lambda most: beyond(most, reset),
    "hangs": lambda most: beyond(most, hang),
    "400": lambda most: beyond(most, status(400)),
    "405": lambda most: beyond(most, status(405)),
    "500": lambda most: beyond(most, status(500)),
    "502": lambda most: beyond(most, status(502)),
    "429": lambda most: beyond(most, status(429, Retry_After="0")),
    "html": lambda most: beyond(most, status(200)),
    "some error": lambda most: beyond(most, refuse_all("it is not possible", -32000, form="alone")),
}
MOST = pytest.mark.parametrize("most", [0, 13])


def client(node: RudeNode) -> Rpc:
    return Rpc(node.url, batch=64, timeout=0.3, patience=5)


@pytest.mark.slow
@MOST
@pytest.mark.parametrize("kind", [*SAID, *UNSAID])
def test_fewer_calls_are_sent_to_a_node_that_takes_fewer(node: RudeNode, kind: str, most: int) -> None:
    rpc = client(node)
    node.rude = (SAID | UNSAID)[kind](most)
    assert rpc.calls(READS) == RIGHT
    assert rpc.calls(READS) == RIGHT
    node.seen.clear()
    assert rpc.calls(READS) == RIGHT
    assert max(sizes(node)) <= max(1, most)  # remembered
    assert max(sizes(node)) > most / 4  # and not made smaller than need be
    if most < 2:
        assert all(isinstance(json.loads(body), dict) for body in node.seen)


@pytest.mark.parametrize("kind", SAID)
def test_a_refusal_of_a_whole_request_is_without_effect(echo: Echo, node: RudeNode, kind: str) -> None:
    node.rude = SAID[kind](10)
    assert client(node).calls(WRITES) == RIGHT
    assert echo.carried_out == RIGHT  # each once, in order


@pytest.mark.parametrize("kind", UNSAID)
def test_what_may_have_been_carried_out_is_not_sent_twice(echo: Echo, node: RudeNode, kind: str) -> None:
    """The ledger sends the same bytes again. Then fewer are sent at once, and they arrive."""
    rpc = client(node)
    node.rude = UNSAID[kind](10)
    with pytest.raises(UnansweredError):
        rpc.calls(WRITES)
    assert len(node.seen) == 1
    for _ in range(10):
        try:
            assert rpc.calls(WRITES) == RIGHT
            break
        except UnansweredError:
            continue
    else:
        pytest.fail("the requests did not become smaller")


def test_what_one_client_finds_out_the_others_know(node: RudeNode) -> None:
    rpc = client(node)
    node.rude = SAID["geth"](16)
    rpc.calls(READS)
    node.seen.clear()
    assert rpc.again(patience=5, stopping=None).calls(READS) == RIGHT
    assert sizes(node) == [16] * 4


def test_a_limit_on_one_answer_makes_later_requests_smaller(node: RudeNode) -> None:
    """geth answers the calls up to a number of bytes, and refuses the others of the same request."""
    error = {"error": {"code": -32003, "message": "response too large"}}

    def rude(handler: Handler, body: bytes) -> bool:
        late = {call["id"] for call in calls_in(body)[20:]}
        return len(late) > 0 and replace(lambda call: call["id"] in late, error)(handler, body)

    node.rude = rude
    assert client(node).calls(READS) == RIGHT
    assert sizes(node)[0] == 64
    assert max(sizes(node)[2:]) <= 32


@pytest.mark.parametrize("rude", [status(502), reset, status(200)], ids=["502", "reset", "html"])
def test_a_node_that_was_away_gets_large_requests_again(node: RudeNode, rude: Rudeness) -> None:
    rpc = client(node)
    node.rude = lambda handler, body: len(node.seen) <= 3 and rude(handler, body)
    assert rpc.calls(READS) == RIGHT
    node.rude = None
    assert rpc.calls(READS) == RIGHT
    node.seen.clear()
    assert rpc.calls(READS) == RIGHT
    assert sizes(node) == [64]


def test_a_node_in_order_gets_one_request_for_all(node: RudeNode) -> None:
    assert client(node).calls(READS) == RIGHT
    assert sizes(node) == [64]


@pytest.mark.parametrize("kind", ["geth", "alone", "not supported", "413"])
def test_a_node_that_refuses_single_calls_as_well_is_said(node: RudeNode, kind: str) -> None:
    def always(handler: Handler, body: bytes) -> bool:
        return refuse_all("batch too large", form="alone")(handler, body)

    node.rude = always
    with pytest.raises(RpcError, match="refused eth_getBalance: batch too large"):
        client(node).calls(READS)


def test_the_setting_is_named_when_large_requests_fail(node: RudeNode) -> None:
    node.rude = reset
    with pytest.raises(UnansweredError) as raised:
        Rpc(node.url, patience=0, batch=64).calls(READS)
    assert "`chain.batch`" in (raised.value.hint or "")


def test_the_message_is_about_this_request_only(node: RudeNode) -> None:
    node.rude = refuse_all("batch size too big", form="alone")
    with pytest.raises(RpcError) as raised:
        client(node).calls(READS)
    assert raised.value.message.count("batch size too big") == 1


# --- the size by itself -----------------------------------------------------------------------------------------------


def found(takes: Callable[[int], bool], most: int = 100, *, slow: bool = False) -> tuple[BatchSize, list[int]]:
    """The size, and the requests that were tried, once it no longer changes."""
    size, tried = BatchSize(most), []
    for _ in range(40):
        number = size.size
        tried.append(number)
        if takes(number):
            size.answered(number)
        else:
            size.failed(number, slow=slow)
    return size, tried


@pytest.mark.parametrize("limit", [1, 2, 3, 12, 50, 99])
@pytest.mark.parametrize("slow", [False, True])
def test_the_size_ends_between_half_of_the_limit_and_the_limit(limit: int, slow: bool) -> None:
    size, tried = found(lambda number: number <= limit, slow=slow)
    assert limit / 2 <= size.size <= limit
    assert tried[-10:] == [size.size] * 10
    assert sum(number > limit for number in tried) <= (3 if slow else 2 + 7)


def test_one_failure_now_and_then_changes_nothing() -> None:
    size = BatchSize(100)
    for _ in range(50):
        assert size.size == 100
        size.failed(100)
        size.answered(100)


def test_small_requests_say_nothing_about_large_ones() -> None:
    size = BatchSize(100)
    size.failed(100)
    size.failed(100)
    assert size.size == 50
    size.answered(3)
    assert size.size == 50
    size.answered(50)
    assert size.size == 100


def test_a_single_call_cannot_be_made_smaller() -> None:
    size = BatchSize(1)
    assert not size.failed(1)
    assert not size.failed(1)
    assert size.size == 1
