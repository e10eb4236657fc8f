"""Runs on a chain that goes back, loses what it accepted, is another, or whose key others use: everybody is paid exactly once."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_hash.auto import keccak

from cicscenario.sandbox import stack
from tests.oracle import Baseline, Place, baseline, judge, place_of
from tests.support.rude_node import Handler, Rudeness, RudeNode, calls_in, each_reply
from tests.support.sandboxes import NODES, Run, Sandbox, needs_anvil, send_from

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_SCENARIO = """
version: 1
name: {name}
population: {{size: {size}, seed: {seed}}}
gift: {{threshold: 200}}
backend: {{kind: eth, keystore: {{kdf: none}}}}
environment: sandbox
"""
_RUNS = 5  # times that the same command is given, at most


class Chained:
    """A run on a chain, and the independent checker's view of it."""

    def __init__(self, box: Sandbox, folder: Path, *, size: int = 12) -> None:
        self.box = box
        key = (box.home / "sandbox" / "signer.key").read_text().strip()
        self.place: Place = place_of(box.environment, Account.from_key(key).address)
        folder.mkdir(exist_ok=True)
        scenario = folder / "chained.yaml"
        scenario.write_text(_SCENARIO.format(name="chained", size=size, seed=time.time_ns() % 2**31))
        self.run = Run(box, scenario, folder / "run")
        self.since: Baseline = baseline(self.place)
        self.codes: list[int] = []
        self.said = ""

    def rpc(self, method: str, *params: Any) -> Any:
        return self.box.session().rpc.call(method, *params)

    def once(self, *more: str) -> int:
        done = self.run.command(*more)
        self.took(done.returncode, done.stdout + done.stderr)
        return done.returncode

    def took(self, code: int, said: str) -> None:
        self.said = said
        self.codes.append(code)
        assert "Traceback" not in said
        assert code != 70, said

    def ends_well(self, *, but: str = "nothing") -> None:
        """The same command until it is done; then everybody is there once. ``but`` is what the checker may find."""
        while self.once() != 0:
            assert len(self.codes) < _RUNS, f"{self.codes}: {self.said}"
        self.is_right(but=but)

    def is_right(self, *, but: str = "nothing") -> None:
        verdict = judge(self.run.scenario, self.place, self.run.place, self.since)
        assert [line for line in verdict.lines() if not re.search(but, line)] == []

    def behind(self, *urls: str, **chain: Any) -> str:
        """An environment of the same chain, at other addresses."""
        text = self.box.environment.read_text()
        text = re.sub(r"rpc: .*", f"rpc: {json.dumps(urls[0])}", text) if urls else text
        for key, value in chain.items():
            text = text.replace("chain:\n", f"chain:\n  {key}: {value}\n")
        path = self.box.environment.with_name(f"behind-{self.run.place.parent.name}.yaml")
        path.write_text(text)
        return str(path)


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Sandbox]]:
    """A sandbox of a node, made when it is first asked for."""
    made: dict[str, Sandbox] = {}

    def box(node: str) -> Sandbox:
        if node not in made:
            home = tmp_path_factory.mktemp(node)
            made[node] = Sandbox(home, stack.up(home, node=node).environment)
        return made[node]

    yield box
    for one in made.values():
        stack.down(one.home, purge=True)


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("depth", ["shallow", "deep"])
def test_a_chain_that_goes_back_while_a_run_sends(
    boxes: Callable[[str], Sandbox], tmp_path: Path, node: str, depth: str
) -> None:
    """A block or two, again and again; or back to before the run."""
    chained = Chained(boxes(node), tmp_path, size=20)
    snapshot = chained.rpc("evm_snapshot")
    process = chained.run.start()
    chained.run.when("SELECT 1 FROM ledger WHERE status = 'mined'")
    if depth == "deep":
        assert chained.rpc("evm_revert", snapshot)
    else:
        for _ in range(3):
            snapshot, block = chained.rpc("evm_snapshot"), chained.box.block()
            while chained.box.block() == block and process.poll() is None:
                time.sleep(0.01)
            assert chained.rpc("evm_revert", snapshot)
    out, err = process.communicate(timeout=240)
    chained.took(process.returncode, out + err)
    chained.ends_well()


@pytest.mark.parametrize("node", NODES)
def test_a_chain_that_goes_back_after_the_run(boxes: Callable[[str], Sandbox], tmp_path: Path, node: str) -> None:
    chained = Chained(boxes(node), tmp_path)
    snapshot = chained.rpc("evm_snapshot")
    chained.ends_well()
    assert chained.rpc("evm_revert", snapshot)
    chained.codes.clear()
    chained.ends_well()


def _lost(times: int) -> Rudeness:
    """The node accepts transactions, and never has them."""
    left = [times]

    def rude(handler: Handler, body: bytes) -> bool:
        calls = calls_in(body)
        if calls[0]["method"] != "eth_sendRawTransaction" or not left[0]:
            return False
        left[0] -= 1
        raws = [bytes.fromhex(call["params"][0][2:]) for call in calls]
        replies = [
            {"jsonrpc": "2.0", "id": call["id"], "result": "0x" + keccak(raw).hex()}
            for call, raw in zip(calls, raws, strict=True)
        ]
        handler.reply(200, json.dumps(replies if isinstance(json.loads(body), list) else replies[0]).encode(), {})
        return True

    return rude


def test_transactions_that_the_node_accepted_and_lost(boxes: Callable[[str], Sandbox], tmp_path: Path) -> None:
    chained = Chained(boxes("embedded"), tmp_path)
    with RudeNode(chained.box.session().rpc.url) as node:
        node.rude = _lost(2)
        chained.once("--env", chained.behind(node.url))
    chained.ends_well()


def _another_chain(handler: Handler, body: bytes) -> bool:
    meant = {call["id"] for call in calls_in(body) if call["method"] == "eth_chainId"}
    return each_reply(lambda reply: reply | {"result": "0x2324"} if reply["id"] in meant else reply)(handler, body)


def test_a_node_of_another_chain_gets_nothing(boxes: Callable[[str], Sandbox], tmp_path: Path) -> None:
    chained = Chained(boxes("embedded"), tmp_path)
    with RudeNode(chained.box.session().rpc.url) as node:
        node.rude = _another_chain
        assert chained.once("--env", chained.behind(node.url)) in (2, 3, 4)
        assert "8996" in chained.said
        assert not any(call["method"] == "eth_sendRawTransaction" for body in node.seen for call in calls_in(body))
    chained.codes.clear()
    chained.ends_well()


@needs_anvil
def test_a_signer_without_funds_is_told_before_anything_is_sent(
    boxes: Callable[[str], Sandbox], tmp_path: Path
) -> None:
    chained = Chained(boxes("anvil"), tmp_path)
    signer = f"0x{chained.place.signer}"
    held = chained.rpc("eth_getBalance", signer, "latest")
    chained.rpc("anvil_setBalance", signer, "0x64")
    try:
        assert chained.once() == 3
        assert signer in chained.said.lower()
        assert baseline(chained.place).nonce == chained.since.nonce
    finally:
        chained.rpc("anvil_setBalance", signer, held)
    chained.ends_well()


@needs_anvil
def test_a_base_fee_that_is_higher_than_the_price_is_named_and_the_run_goes_on_when_it_has_fallen(
    boxes: Callable[[str], Sandbox], tmp_path: Path
) -> None:
    chained = Chained(boxes("anvil"), tmp_path)
    before = chained.rpc("eth_getBlockByNumber", "latest", False)["baseFeePerGas"]
    chained.rpc("anvil_setNextBlockBaseFeePerGas", hex(3 * 10**9))
    chained.rpc("evm_mine")
    chained.rpc("anvil_setNextBlockBaseFeePerGas", hex(3 * 10**9))
    try:
        code = chained.once("--env", chained.behind(gas_price=10**9))
        assert code in (3, 5), chained.said
        assert "fee" in chained.said
    finally:
        chained.rpc("anvil_setNextBlockBaseFeePerGas", before)
        chained.rpc("evm_mine")
        chained.rpc("anvil_setNextBlockBaseFeePerGas", before)
    chained.ends_well()


def test_another_user_of_the_key_sends_in_between(boxes: Callable[[str], Sandbox], tmp_path: Path) -> None:
    """A person decides what to do about the other's transaction (exit 5); nobody is paid twice, and nobody is left out."""
    chained = Chained(boxes("embedded"), tmp_path, size=20)
    box = chained.box
    key = bytes.fromhex((box.home / "sandbox" / "signer.key").read_text().strip())
    assert chained.once("--until", "registration") == 0
    send_from(box.session(), key, bytes([7]) * 20, value=1, gas=21_000)
    code = chained.once()
    assert code in (0, 5), chained.said
    if code == 5:
        assert chained.once("--reconcile") == 0, chained.said
    chained.is_right(but="the signer|has no file|transaction")


def test_two_runs_of_one_signer(boxes: Callable[[str], Sandbox], tmp_path: Path) -> None:
    """The second is refused and names the first's process; both end right, one after the other."""
    first = Chained(boxes("embedded"), tmp_path / "first", size=20)
    second = Chained(boxes("embedded"), tmp_path / "second")
    process = first.run.start()
    first.run.when("SELECT 1 FROM ledger")
    code = second.once()
    out, err = process.communicate(timeout=240)
    first.took(process.returncode, out + err)
    assert process.returncode == 0, out + err
    if code:
        assert code == 4, second.said
        assert str(process.pid) in second.said
    second.since = baseline(second.place) if code else second.since
    second.codes.clear()
    second.ends_well(but="nothing" if code else "the signer")
    judged = judge(first.run.scenario, first.place, first.run.place, first.since)
    assert judged.lost == []
