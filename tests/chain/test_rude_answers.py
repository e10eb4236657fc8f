"""Every method of a node that is in use, against every kind of bad answer.

The outcome is an error of ours or the right value: never an exception of a library, never a failure that is taken for a fact.
When the answers are right again, so is the result, from the same client.
"""

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from cicscenario.chain import rpc as chain_rpc
from cicscenario.chain.rpc import Rpc, RpcError, UnansweredError
from cicscenario.errors import CicScenarioError
from tests.support.readable_chain import METHODS, ReadableChain
from tests.support.rude_node import (
    Handler,
    Rudeness,
    RudeNode,
    calls_in,
    each_reply,
    rearranged,
    refuse_all,
    replace,
    status,
)
from tests.support.rude_wire import ANY_PROTOCOL, BAD_HTTP, Manner, RudeWire, http, polite

WIRE: dict[str, Manner] = {
    **ANY_PROTOCOL,
    **BAD_HTTP,
    "bad gzip": http("200 OK", b"not gzip", "Content-Encoding: gzip"),
    "nested": http("200 OK", b"[" * 100_000),
    "redirect to nowhere": http("302 Found", b"", "Location: http://["),
}
BODIES: dict[str, Rudeness] = {
    "400": status(400),
    "401": status(401),
    "429": status(429, Retry_After="0"),
    "500": status(500),
    "502": status(502),
    "503": status(503, Retry_After="soon"),
    "html": status(200),
    "empty": status(200, ""),
    "null": status(200, "null"),
    "text": status(200, '"no"'),
    "number": status(200, "7"),
    "half": status(200, '[{"jsonrpc": "2.0", "id": 1, "res'),
    "no replies": status(200, "[]"),
    "an object": status(200, "{}"),
    "list of lists": status(200, "[[]]"),
    "refused": refuse_all("denied", -32000, form="each"),
    "limited": refuse_all("rate limit exceeded", -32005, form="each"),
    "internal error": refuse_all("Internal error", -32603, form="each"),
    "one error": refuse_all("denied", -32000, form="alone"),
    "error with status 500": refuse_all("denied", -32000, form="each", http=500),
    "bare text": replace(lambda call: True, {"error": "denied"}),
    "odd error": replace(lambda call: True, {"error": {"code": [], "message": None}}),
    "error is true": replace(lambda call: True, {"error": True}),
    "result is null": replace(lambda call: True, {"result": None}),
    "result is a number": replace(lambda call: True, {"result": 12}),
    "result is a list": replace(lambda call: True, {"result": [[]]}),
    "result is a word": replace(lambda call: True, {"result": "soon"}),
    "neither": each_reply(lambda reply: {"jsonrpc": "2.0", "id": reply["id"]}),
    "no id": each_reply(lambda reply: reply | {"id": None}),
    "other ids": each_reply(lambda reply: reply | {"id": reply["id"] + 1000}),
    "one missing": rearranged(lambda replies: replies[:-1]),
    "null among them": rearranged(lambda replies: [*replies[:-1], None]),
    "ids are infinite": each_reply(lambda reply: reply | {"id": float("inf")}),
    "ids are no numbers": each_reply(lambda reply: reply | {"id": float("nan")}),
    "ids are lists": each_reply(lambda reply: reply | {"id": [1]}),
    "ids are great": each_reply(lambda reply: reply | {"id": "9" * 5000}),
    "twice, and different": rearranged(lambda replies: [*replies, replies[0] | {"result": "0x99"}]),
}
#: Manners of which the answer is right, although it has another form.
HARMLESS: dict[str, Rudeness] = {
    "out of order": rearranged(lambda replies: replies[::-1]),
    "twice, and the same": rearranged(lambda replies: replies + replies),
    "ids are texts": each_reply(lambda reply: reply | {"id": str(reply["id"])}),
    "ids are floats": each_reply(lambda reply: reply | {"id": float(reply["id"])}),
    "error is null": each_reply(lambda reply: reply | {"error": None}),
    "others among them": rearranged(lambda replies: [{"id": 99_999, "result": "0x99"}, *replies]),
    "no version": each_reply(lambda reply: {"id": reply["id"], "result": reply["result"]}),
}
MANY = 3  # calls in one request
EACH_METHOD = pytest.mark.parametrize("method", METHODS)
ALONE_AND_MANY = pytest.mark.parametrize("number", [1, MANY])


@pytest.fixture(scope="module")
def chain() -> Iterator[ReadableChain]:
    with ReadableChain() as chain:
        yield chain


@pytest.fixture(scope="module")
def node(chain: ReadableChain) -> Iterator[RudeNode]:
    with RudeNode(chain.url) as node:
        yield node


@pytest.fixture(scope="module")
def wire(chain: ReadableChain) -> Iterator[RudeWire]:
    with RudeWire(urlsplit(chain.url).port or 0) as wire:
        yield wire


def client(url: str, kind: str = "") -> Rpc:
    """It waits for an answer only as long as it must when none comes: a busy machine may be slow to give one."""
    timeout = 0.3 if kind == "hangs" else 30
    return Rpc(f"{url.replace('//', '//someone:hunter2@')}/key/0123456789secret", timeout=timeout, patience=0)


def ask(rpc: Rpc, method: str, number: int) -> Any:
    """What the calls give, or the error of ours."""
    params, _ = METHODS[method]
    try:
        return rpc.calls([(method, params)] * number)
    except CicScenarioError as error:
        told = error
    assert told.message
    assert "hunter2" not in str(told)
    assert "0123456789secret" not in str(told)
    return told


def right(method: str, number: int) -> list[Any]:
    return [METHODS[method][1]] * number


def tolerable(method: str, found: Any, number: int) -> bool:
    """An error of ours, the right value, or a value that its only reader takes for no proof.

    null is a fact of a transaction or a receipt: the node does not know it. Logs, the hash of what was sent and the name of the
    node's program are judged by those who read them, ``chain.follower``, ``chain.broadcast`` and ``chain.survey``.
    """
    if isinstance(found, CicScenarioError) or found == right(method, number):
        return True
    if method in ("eth_getTransactionByHash", "eth_getTransactionReceipt"):
        return all(one is None or one == METHODS[method][1] for one in found)
    return method in ("eth_sendRawTransaction", *_OF_ANY_FORM)


@EACH_METHOD
@ALONE_AND_MANY
@pytest.mark.parametrize("kind", WIRE)
def test_a_bad_connection(wire: RudeWire, method: str, number: int, kind: str) -> None:
    rpc = client(f"http://127.0.0.1:{wire.port}", kind)
    wire.behave(WIRE[kind])
    found = ask(rpc, method, number)
    assert isinstance(found, CicScenarioError) or found == right(method, number)
    wire.behave(polite)
    again = [ask(rpc, method, number)]
    while kind == "hangs" and again[-1] != right(method, number) and len(again) < 20:
        again.append(ask(rpc, method, number))
    assert again[-1] == right(method, number)


@EACH_METHOD
@ALONE_AND_MANY
@pytest.mark.parametrize("kind", BODIES)
def test_a_bad_answer(node: RudeNode, method: str, number: int, kind: str) -> None:
    rpc = client(node.url)
    node.rude = BODIES[kind]
    found = ask(rpc, method, number)
    assert tolerable(method, found, number), found
    node.rude = None
    assert ask(rpc, method, number) == right(method, number)


@EACH_METHOD
@ALONE_AND_MANY
@pytest.mark.parametrize("kind", HARMLESS)
def test_an_answer_of_another_form(node: RudeNode, method: str, number: int, kind: str) -> None:
    node.rude = HARMLESS[kind]
    assert ask(client(node.url), method, number) == right(method, number)


READS = [method for method in METHODS if method != "eth_sendRawTransaction"]
PASSING = [
    kind
    for kind in BODIES
    if kind
    not in ("400", "401", "refused", "one error", "error with status 500", "bare text", "odd error", "error is true")
]


@pytest.mark.parametrize("kind", PASSING)
def test_what_passes_is_sat_out_by_reads(node: RudeNode, kind: str) -> None:
    """Each method is read once more, and only what is missing."""
    rpc = Rpc(node.url, timeout=30, patience=20)
    before = len(node.seen)
    node.rude = lambda handler, body: len(node.seen) <= before + 1 and BODIES[kind](handler, body)
    methods = [method for method in READS if method not in (*_OF_ANY_FORM, *_MAY_BE_NULL)]
    assert rpc.calls([(method, METHODS[method][0]) for method in methods]) == [METHODS[m][1] for m in methods]


#: What befalls one connection, and is over with the next.
ONCE = ("reset", "closed", "hangs", "truncated", "binary", "no status", "too short", "bad gzip", "nested", "not UTF-8")


@pytest.mark.parametrize(
    "kind", [pytest.param(one, marks=pytest.mark.slow) if one not in ("reset", "too short") else one for one in ONCE]
)
def test_a_bad_connection_is_sat_out_by_reads(wire: RudeWire, kind: str) -> None:
    """Each method for itself, and in a request with others."""
    for calls in [[method] for method in READS] + [READS]:
        seen = 0

        def once(wire: RudeWire, client: socket.socket, server: socket.socket) -> None:
            nonlocal seen
            seen += 1
            (WIRE[kind] if seen == 1 else polite)(wire, client, server)

        wire.behave(once)
        rpc = Rpc(f"http://127.0.0.1:{wire.port}", timeout=0.5 if kind == "hangs" else 30, patience=20)
        assert rpc.calls([(method, METHODS[method][0]) for method in calls]) == [METHODS[m][1] for m in calls]
        assert seen > 1
    wire.behave(polite)


_OF_ANY_FORM = ("eth_getLogs", "web3_clientVersion")
_MAY_BE_NULL = ("eth_getTransactionByHash", "eth_getTransactionReceipt")


def test_only_what_is_missing_is_asked_again(node: RudeNode) -> None:
    rpc = Rpc(node.url, patience=3)
    before = len(node.seen)
    limited = replace(lambda call: call["params"][0] == "0x3", {"error": {"code": -32005, "message": "limit"}})
    node.rude = lambda handler, body: len(node.seen) <= before + 2 and limited(handler, body)
    assert rpc.calls([("eth_getBalance", [hex(n), "latest"]) for n in range(8)]) == ["0x7"] * 8
    assert [len(calls_in(body)) for body in node.seen[before:]] == [8, 1, 1]


def test_progress_renews_the_patience_and_a_standstill_ends_it(node: RudeNode) -> None:
    """One call at a time gets through: it takes longer than the patience, and ends well."""
    rpc = Rpc(node.url, patience=0.5)

    def one_at_a_time(handler: Handler, body: bytes) -> bool:
        first = calls_in(body)[0]["id"]
        limit = {"error": {"code": 429, "message": "one at a time"}}
        return replace(lambda call: call["id"] != first, limit)(handler, body)

    node.rude = one_at_a_time
    assert rpc.calls([("eth_getBalance", [hex(n), "latest"]) for n in range(40)]) == ["0x7"] * 40
    node.rude = refuse_all("one at a time", 429, form="each")
    with pytest.raises(RpcError, match="one at a time"):
        rpc.calls([("eth_getBalance", ["0x1", "latest"])])


@pytest.mark.parametrize("value", ["0x0a", "0x000", "0x0000000000000000a", "0xA"])
def test_quantities_may_have_zeros_in_front(node: RudeNode, value: str) -> None:
    node.rude = replace(lambda call: True, {"result": value})
    assert int(Rpc(node.url).call("eth_blockNumber"), 16) in (0, 10)


@pytest.mark.parametrize("value", ["0x", "10", "0xg", "", " 0x1", True, 1.5])
def test_what_is_no_quantity_is_no_answer(node: RudeNode, value: Any) -> None:
    node.rude = replace(lambda call: True, {"result": value})
    with pytest.raises(UnansweredError, match="is not a working Ethereum node: it answers eth_getBalance with "):
        Rpc(node.url, patience=0).call("eth_getBalance", "0x1", "latest")


def test_what_is_walked_through_is_all_that_is_in_use() -> None:
    assert set(READS) == chain_rpc.READS
