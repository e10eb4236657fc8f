"""The embedded node as a process: what it keeps when it is stopped, killed, or its file torn; and what it refuses."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cicscenario.sandbox.ports import free_port
from tests.support.running_node import RICH, RunningNode, Wallet, creation

# SSTORE(NUMBER, CALLVALUE); LOG0 of it
RECORDER = bytes.fromhex("3443553460005260206000a000")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    started = RunningNode("embedded", tmp_path, manual=False).start()
    yield started
    if started.process is not None and started.process.poll() is None:
        started.stop()


def journal(node: RunningNode) -> Path:
    return node.home / "chain" / "chain.jsonl"


def history(node: RunningNode) -> list[Any]:
    """Everything a client can see of the blocks, and the state they led to."""
    head = int(node.rpc("eth_blockNumber"), 16)
    heights = [hex(height) for height in range(head + 1)]
    seen = [(node.rpc("eth_getBlockByNumber", at, True), node.rpc("eth_getBlockReceipts", at)) for at in heights]
    return [*seen, node.rpc("eth_getBalance", RICH.address), node.rpc("eth_getTransactionCount", RICH.address)]


def busy(node: RunningNode) -> Wallet:
    rich = Wallet(node, RICH)
    node.rpc("eth_sendRawTransaction", rich.sign(data=creation(RECORDER), gas=200_000))
    contract = node.rpc("eth_getBlockReceipts", "latest")[0]["contractAddress"]
    for value in range(3):
        rich.send(to=contract, gas=100_000, value=value)
    node.batch(*(("eth_sendRawTransaction", rich.sign(to=contract, gas=100_000, value=value)) for value in range(5)))
    rich.send(data=bytes.fromhex("60006000fd"), gas=100_000)
    return rich


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_restart_brings_back_the_same_chain(node: RunningNode, number: signal.Signals) -> None:
    rich = busy(node)
    before = history(node)
    assert node.stop(number) == (-9 if number is signal.SIGKILL else 0)
    node.start()
    assert history(node) == before
    rich.send(to=RICH.address)
    assert int(node.rpc("eth_blockNumber"), 16) == len(before) - 2


def test_every_reported_block_survives_a_kill(node: RunningNode) -> None:
    rich = Wallet(node, RICH)
    hashes = [rich.send(to=RICH.address, value=value) for value in range(20)]
    node.stop(signal.SIGKILL)
    node.start()
    assert all(node.rpc("eth_getTransactionReceipt", tx_hash)["status"] == "0x1" for tx_hash in hashes)


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_torn_last_record_is_dropped(node: RunningNode, cut: int) -> None:
    rich = busy(node)
    before = history(node)
    rich.send(to=RICH.address)
    node.stop(signal.SIGKILL)
    written = journal(node).read_bytes()
    journal(node).write_bytes(written[:-cut])
    node.start()
    assert history(node)[:-2] == before[:-2]
    rich.nonce -= 1
    rich.send(to=RICH.address)
    node.stop()
    assert all(json.loads(line) for line in journal(node).read_text().splitlines())


def test_damage_before_the_end_is_refused(node: RunningNode) -> None:
    busy(node)
    node.stop()
    lines = journal(node).read_bytes().splitlines(keepends=True)
    journal(node).write_bytes(b"".join([lines[0], b'{"number"\n', *lines[2:]]))
    with pytest.raises(AssertionError, match=r"chain\.jsonl:2: damaged"):
        node.start()


def test_a_reverted_block_stays_reverted_after_a_restart(node: RunningNode) -> None:
    rich = busy(node)
    before = history(node)
    snapshot = node.rpc("evm_snapshot")
    rich.send(to=RICH.address)
    assert history(node) != before
    node.rpc("evm_revert", snapshot)
    node.stop(signal.SIGKILL)
    node.start()
    assert history(node) == before


def run(tmp_path: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cicscenario.sandbox.node", "--data", str(tmp_path / "chain"), *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "::", "example.org"])
def test_only_loopback_is_served(tmp_path: Path, host: str) -> None:
    done = run(tmp_path, "--host", host, "--port", str(free_port()))
    assert done.returncode == 2
    assert "loopback only" in done.stderr
    assert not (tmp_path / "chain").exists()


@pytest.mark.parametrize(
    ("flags", "difference"),
    [
        (["--chain-id", "1"], "chain_id is 8996, not 1"),
        (["--gas-limit", "1000000"], "gas_limit is 30000000, not 1000000"),
        (["--genesis-time", "5"], "not 5"),
        (["--rich", f"0x{'11' * 20}=1"], "rich is"),
    ],
    ids=["chain id", "gas limit", "genesis time", "rich"],
)
def test_another_genesis_is_refused(node: RunningNode, tmp_path: Path, flags: list[str], difference: str) -> None:
    node.stop()
    same = ["--rich", f"{RICH.address}={10_000 * 10**18}"]
    done = run(tmp_path, "--port", str(free_port()), *same, *flags)
    assert done.returncode == 4
    assert difference in done.stderr


def test_two_nodes_cannot_share_a_chain(node: RunningNode, tmp_path: Path) -> None:
    done = run(tmp_path, "--port", str(free_port()), "--rich", f"{RICH.address}={10_000 * 10**18}")
    assert (done.returncode, "in use by another node" in done.stderr) == (4, True)


def test_a_taken_port_is_said_plainly(node: RunningNode, tmp_path: Path) -> None:
    done = run(tmp_path / "other", "--port", str(node.port))
    assert (done.returncode, f"cannot listen on 127.0.0.1:{node.port}" in done.stderr) == (3, True)
    assert "Traceback" not in done.stderr


def test_blocks_come_by_the_clock_when_asked(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cicscenario.sandbox.node", "--data", str(tmp_path), "--block-time", "0.1"]
    node = RunningNode("embedded", tmp_path)
    node.process = subprocess.Popen([*command, "--port", str(node.port)])
    try:
        for _ in range(200):
            try:
                if int(node.rpc("eth_blockNumber"), 16) >= 3:
                    break
            except OSError:
                pass
            signal.sigtimedwait([], 0.05)
        assert int(node.rpc("eth_blockNumber"), 16) >= 3
    finally:
        assert node.stop() == 0


def test_a_full_block_spills_into_the_next(node: RunningNode) -> None:
    rich = Wallet(node, RICH)
    raw = [rich.sign(to=RICH.address, gas=29_960_000) for _ in range(4)]  # one more fits behind 21,000 used, not two
    node.batch(*(("eth_sendRawTransaction", one) for one in raw))
    blocks = [node.rpc("eth_getBlockByNumber", hex(height), False) for height in (1, 2)]
    assert [len(block["transactions"]) for block in blocks] == [2, 2]
    assert node.rpc("eth_blockNumber") == "0x2"


def test_old_state_is_a_clear_error(node: RunningNode) -> None:
    Wallet(node, RICH).send(to=RICH.address)
    for call in (("eth_getBalance", RICH.address), ("eth_call", {"to": RICH.address})):
        error = node.batch((*call, "0x0"))[0]["error"]
        assert (error["code"], "not kept" in error["message"]) == (-32000, True)
        assert "result" in node.batch((*call, "0x1"))[0]


def test_another_chains_transaction_is_refused(node: RunningNode) -> None:
    raw = Wallet(node, RICH).sign(to=RICH.address, chainId=1)
    assert "chain id" in node.batch(("eth_sendRawTransaction", raw))[0]["error"]["message"]
