"""Large requests are decoded in two processes: the answers, the order and what is kept are those of one."""

import asyncio
import json
import os
import select
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from cicscenario.sandbox.node import ahead as aheads
from cicscenario.sandbox.node.ahead import Ahead, Known, raw_transactions
from cicscenario.sandbox.node.methods import Methods
from cicscenario.sandbox.node.rpc import answer, answer_to, parsed
from tests.support.reopened_chain import ReopenedChain
from tests.support.running_node import CHAIN_ID, RICH, RunningNode, Wallet

OTHER = "0x" + "22" * 20
POOR = Account.from_key("0x" + "11" * 32)


def signed(nonce: int, signer: Any = RICH, **fields: Any) -> str:
    defaults = {"chainId": CHAIN_ID, "gas": 60_000, "gasPrice": 10**9, "value": 1, "to": OTHER}
    raw = signer.sign_transaction(defaults | {"nonce": nonce} | fields).raw_transaction
    return "0x" + bytes(raw).hex()


def batch(*params: Any) -> bytes:
    asked = [
        {"jsonrpc": "2.0", "id": at, "method": "eth_sendRawTransaction", "params": one} for at, one in enumerate(params)
    ]
    return json.dumps(asked).encode()


def forged(text: str) -> str:
    """With an s that is too large (EIP-2): it fits no key."""
    return text[:-64] + "f" * 64


#: Requests whose answers depend on order, on other transactions of the request, or are errors.
HARD = {
    "in order": [[signed(nonce)] for nonce in range(40)],
    "from the last to the first": [[signed(nonce)] for nonce in reversed(range(40))],
    "a bad signature in the middle": [[forged(signed(20)) if nonce == 20 else signed(nonce)] for nonce in range(40)],
    "a gap": [[signed(nonce)] for nonce in range(40) if nonce != 25],
    "twice the same": [[signed(nonce // 2)] for nonce in range(40)],
    "replaced by a higher price": [[signed(nonce // 2, gasPrice=10**9 * (1 + nonce % 2))] for nonce in range(40)],
    "of one who is given money in the same request": [
        *([signed(nonce, to=POOR.address, value=10**18)] for nonce in range(20)),
        *([signed(nonce, POOR)] for nonce in range(20)),
    ],
    "of another chain": [[signed(nonce, chainId=1 + CHAIN_ID * (nonce % 2))] for nonce in range(40)],
    "some very long": [[signed(nonce, data=b"\1" * (nonce % 3 * 900), gas=200_000)] for nonce in range(40)],
    "no transactions": [
        *([signed(nonce)] for nonce in range(20)),
        *([text] for text in ("", "0x", "0xzz", "0xc0", "abc", signed(20)[:-2], signed(20)[2:], signed(20).upper())),
        *([], [None], [7], [["0x"]], [signed(20), 1], {"raw": signed(20)}, "0x", None, [signed(20)]),
    ],
}


SHARED = ("shared with the node", "all in the decoder")


def divide(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Of ``SHARED``: whether the node takes tasks too, or whatever is known was done by the decoder."""
    if how == "all in the decoder":
        monkeypatch.setattr(Ahead, "_untaken", lambda _: None)


def with_ahead(body: Callable[[Ahead], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        ahead = Ahead()
        ahead.is_possible = True  # also where there is one processor
        try:
            return await body(ahead)
        finally:
            ahead.close()

    return asyncio.run(asyncio.wait_for(run(), 60))


def mined(world: ReopenedChain) -> list[Any]:
    world.chain.mine_ready()
    blocks = [world.chain.history.at(number) for number in range(1, world.chain.head.number + 1)]
    return [receipt for block in blocks if block for receipt in block.receipts]


@pytest.fixture
def worlds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ReopenedChain, ReopenedChain]]:
    made = ReopenedChain(tmp_path / "one", monkeypatch), ReopenedChain(tmp_path / "other", monkeypatch)
    yield made
    for world in made:
        world.kill()


@pytest.mark.parametrize(
    ("kind", "how"), [*((kind, "all in the decoder") for kind in HARD), ("a bad signature in the middle", SHARED[0])]
)
def test_answers_and_blocks_are_those_of_one_process(
    worlds: tuple[ReopenedChain, ReopenedChain], monkeypatch: pytest.MonkeyPatch, kind: str, how: str
) -> None:
    divide(monkeypatch, how)
    body = batch(*HARD[kind])
    asked = parsed(body)
    known: Known = with_ahead(lambda ahead: ahead.decode(raw_transactions(asked)))
    assert len(known) > 10, "it is decoded ahead"
    one, other = worlds
    plain = answer(body, one.methods.call)
    assert answer_to(asked, Methods(other.chain, known).call) == plain
    assert mined(other) == mined(one)


def test_requests_at_the_same_time_are_kept_apart() -> None:
    texts = [[signed(nonce, value=request) for nonce in range(45)] for request in range(4)]

    async def all_at_once(ahead: Ahead) -> list[Known]:
        return await asyncio.gather(*(ahead.decode(some) for some in texts))

    for some, known in zip(texts, with_ahead(all_at_once), strict=True):
        assert list(map(known.__getitem__, some)) == list(aheads.decoded(some))


def test_more_than_the_socket_takes_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    divide(monkeypatch, "all in the decoder")
    texts = [signed(nonce, data=b"\1" * 800, gas=200_000) for nonce in range(30)] * 20
    assert len(with_ahead(lambda ahead: ahead.decode(texts))) == 30


def test_few_transactions_start_no_process() -> None:
    async def few(ahead: Ahead) -> tuple[Known, Any]:
        return await ahead.decode([signed(nonce) for nonce in range(7)]), ahead.process

    assert with_ahead(few) == ({}, None)


def test_one_processor_has_no_second_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aheads, "_processors", lambda: 1)

    async def many() -> Known:
        ahead = Ahead()
        return await ahead.decode([signed(0)] * 40)

    assert asyncio.run(many()) == {}


def test_a_node_that_may_start_no_process_does_without(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def none(*_: Any, **__: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(aheads.subprocess, "Popen", none)
    assert with_ahead(lambda ahead: ahead.decode([signed(0)] * 40)) == {}
    assert "no process can be started that decodes transactions" in capfd.readouterr().err


@pytest.mark.parametrize("how", SHARED)
def test_a_decoder_that_is_killed_is_done_without(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], how: str
) -> None:
    divide(monkeypatch, how)
    texts = [signed(nonce) for nonce in range(200)]

    async def killed(ahead: Ahead) -> Known:
        waiting = asyncio.ensure_future(ahead.decode(texts))
        await asyncio.sleep(0)
        assert ahead.process
        ahead.process.kill()
        known = await waiting
        while ahead.is_possible:
            await asyncio.sleep(0)
        assert await ahead.decode(texts) == {}
        return known

    known = with_ahead(killed)
    assert all(known[text] == aheads.decoded([text])[0] for text in known)
    assert "the process that decodes transactions has ended (-9)" in capfd.readouterr().err


def child_of(node: RunningNode) -> int:
    """A descriptor of its only child, which is readable when that has ended."""
    assert node.process
    pid = node.process.pid
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return os.pidfd_open(int(child))


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="Linux has it")
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one processor")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_answered_is_kept_and_no_process_stays(tmp_path: Path, number: signal.Signals) -> None:
    node = RunningNode("embedded", tmp_path, manual=False).start()
    raw = [Wallet(node, RICH, nonce).sign(to=OTHER) for nonce in range(300)]
    hashes = [one["result"] for one in node.batch(*(("eth_sendRawTransaction", one) for one in raw))]
    child = child_of(node)
    assert node.stop(number) == (-9 if number is signal.SIGKILL else 0)
    assert select.select([child], [], [], 10)[0]
    os.close(child)
    node.start()
    receipts = node.batch(*(("eth_getTransactionReceipt", one) for one in hashes))
    assert all(one["result"]["status"] == "0x1" for one in receipts)
    node.stop()
    assert "ended" not in (tmp_path / "log").read_text()
