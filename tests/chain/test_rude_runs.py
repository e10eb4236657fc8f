"""Whole runs through a node with bad manners: each ends in one run, and everybody is paid exactly once."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cicscenario.chain.abi import to_hex
from cicscenario.sandbox import stack
from cicscenario.state.store import Store
from tests.support.rude_node import (
    Handler,
    Rudeness,
    RudeNode,
    beyond,
    calls_in,
    each_reply,
    lose_answer,
    rearranged,
    refuse_all,
    replace,
    reset,
    status,
)
from tests.support.sandboxes import Sandbox

pytestmark = pytest.mark.slow

SCENARIO = """
version: 1
name: rude
population: {size: 20, seed: 5}
gift: {threshold: 200}
backend: {kind: eth, keystore: {kdf: none}}
"""
_LIMIT = {"error": {"code": -32005, "message": "rate limit exceeded"}}


def every(nth: int, rude: Rudeness) -> Rudeness:
    """Rude to every ``nth`` request."""
    count = [0]

    def answer(handler: Handler, body: bytes) -> bool:
        count[0] += 1
        return count[0] % nth == 0 and rude(handler, body)

    return answer


def to(method: str, rude: Rudeness, times: int = 10**9) -> Rudeness:
    """Rude to the first requests that begin with this method."""
    left = [times]

    def answer(handler: Handler, body: bytes) -> bool:
        if calls_in(body)[0]["method"] != method:
            return False
        left[0] -= 1
        return left[0] >= 0 and rude(handler, body)

    return answer


def sent_twice(handler: Handler, body: bytes) -> bool:
    handler.server.forward(body)
    return False


def every_fifth_call(handler: Handler, body: bytes) -> bool:
    return replace(lambda call: call["id"] % 5 == 0, _LIMIT)(handler, body)


def changed(method: str, change: Callable[[Any], Any]) -> Rudeness:
    """The results of one method are changed."""

    def rude(handler: Handler, body: bytes) -> bool:
        meant = {call["id"] for call in calls_in(body) if call["method"] == method}
        return each_reply(
            lambda reply: reply | {"result": change(reply.get("result"))} if reply["id"] in meant else reply
        )(handler, body)

    return rude


def without_status(receipt: Any) -> Any:
    if receipt is None:
        return None
    return {key: value for key, value in receipt.items() if key != "status"} | {"root": "0x" + "11" * 32}


MANNERS: dict[str, Rudeness] = {
    "no batches": beyond(0, refuse_all("Batch requests are not supported", form="alone")),
    "batches of 3": beyond(3, refuse_all("batch too large")),
    "413 above 5": beyond(5, status(413)),
    "reset above 5": beyond(5, reset),
    "400 above 1": beyond(1, status(400)),
    "every fifth call limited": every_fifth_call,
    "every third request 502": every(3, status(502)),
    "every fourth html": every(4, status(200)),
    "every fifth reset": every(5, reset),
    "ids are texts": each_reply(lambda reply: reply | {"id": str(reply["id"])}),
    "out of order": rearranged(lambda replies: replies[::-1]),
    "logs are null": changed("eth_getLogs", lambda logs: None),
    "no logs": replace(
        lambda call: call["method"] == "eth_getLogs", {"error": {"code": -32601, "message": "no such method"}}
    ),
    "receipts without status": changed("eth_getTransactionReceipt", without_status),
    "answers to sends are lost": to("eth_sendRawTransaction", lose_answer, 3),
    "sends refused after they were taken": to(
        "eth_sendRawTransaction",
        lambda handler, body: (
            handler.server.forward(body) is not None
            and refuse_all("internal error: request timed out", -32000, form="each")(handler, body)
        ),
        3,
    ),
    "hashes of nothing": to(
        "eth_sendRawTransaction",
        lambda handler, body: _answered_with(handler, body, "0x" + "00" * 32),
        3,
    ),
    "sent twice": to("eth_sendRawTransaction", sent_twice),
}


def _answered_with(handler: Handler, body: bytes, result: str) -> bool:
    """The node never gets the request."""
    replies = [{"jsonrpc": "2.0", "id": call["id"], "result": result} for call in calls_in(body)]
    asked = json.loads(body)
    handler.reply(200, json.dumps(replies if isinstance(asked, list) else replies[0]).encode(), {})
    return True


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    home = tmp_path_factory.mktemp("home")
    (home / "rude.yaml").write_text(SCENARIO)
    try:
        yield Sandbox(home, stack.up(home, node="embedded").environment)
    finally:
        stack.down(home)


def environment_of(box: Sandbox, path: Path, *urls: str) -> Path:
    """The environment of the sandbox, with other nodes."""
    text = box.environment.read_text()
    text = re.sub(r"rpc: .*", f"rpc: {json.dumps(list(urls) if len(urls) > 1 else urls[0])}", text)
    text = text.replace("file:", f"file:{box.environment.parent}/")
    path.write_text(text)
    return path


def ran_once(box: Sandbox, tmp_path: Path, *urls: str) -> None:
    session = box.session()
    mined = lambda: int(  # noqa: E731
        session.rpc.call("eth_getTransactionCount", to_hex(session.signer.address), "latest"), 16
    )
    before = mined()
    scenario, place = box.home / "rude.yaml", tmp_path / "run"
    environment = environment_of(box, tmp_path / "rude-place.yaml", *urls)
    ran = box.command("run", str(scenario), "--env", str(environment), "--dir", str(place))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    store = Store(place / "state.sqlite")
    rows = list(store.transactions())
    store.close()
    assert mined() - before == len(rows) == len({(row.purpose, row.person) for row in rows})
    seen = box.command("verify", str(scenario), "--env", str(box.environment), "--dir", str(place))
    assert seen.returncode == 0, seen.stdout + seen.stderr


@pytest.mark.parametrize("kind", MANNERS)
def test_everybody_is_paid_exactly_once_in_one_run(box: Sandbox, tmp_path: Path, kind: str) -> None:
    with RudeNode(box.session().rpc.url) as node:
        node.rude = MANNERS[kind]
        ran_once(box, tmp_path, node.url)


def test_a_second_node_goes_on_when_the_first_ends(box: Sandbox, tmp_path: Path) -> None:
    with RudeNode(box.session().rpc.url) as first, RudeNode(box.session().rpc.url) as second:
        first.rude = lambda handler, body: len(first.seen) > 12 and reset(handler, body)
        ran_once(box, tmp_path, first.url, second.url)
        assert len(first.seen) > 12
        assert second.seen


def test_a_node_that_knows_less_than_it_refuses_ends_the_run_safely(box: Sandbox, tmp_path: Path) -> None:
    """Its count lags behind: the first nonces are used. Nothing is paid twice, and the cause is named."""
    with RudeNode(box.session().rpc.url) as node:
        node.rude = changed("eth_getTransactionCount", lambda count: hex(max(0, int(count, 16) - 2)))
        environment = environment_of(box, tmp_path / "rude-place.yaml", node.url)
        ran = box.command("run", str(box.home / "rude.yaml"), "--env", str(environment), "--dir", str(tmp_path / "run"))
        assert ran.returncode == 5, ran.stdout + ran.stderr
        assert "lags" in ran.stderr
