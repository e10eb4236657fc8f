"""The embedded node beside anvil in one run: processor time a transaction, memory of a large chain, and seconds to start again.

Run by its own command: ``python -m pytest -n 0 -m benchmark -s tests/benchmarks/test_node.py``.
``CICSCENARIO_BENCHMARK_PEOPLE`` is the size of the large chain; signing and sending for 100,000 people takes some minutes.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cicscenario.chain.abi import to_hex
from cicscenario.chain.contracts import Contracts
from cicscenario.chain.discovery import discover
from cicscenario.chain.rpc import Rpc
from cicscenario.chain.signer import Signer, address_of
from cicscenario.errors import CicScenarioError
from cicscenario.sandbox import nodes
from cicscenario.sandbox.contracts import deploy
from cicscenario.sandbox.ports import free_port
from tests.benchmarks.ceiling import TRANSACTIONS, Ceiling, of_client, signed
from tests.support.cputime import of_daemon
from tests.support.sandboxes import needs_anvil

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

LARGE = int(os.environ.get("CICSCENARIO_BENCHMARK_PEOPLE", "100000"))
MEMORY, RESTART = 400, 5.0  #: MiB and seconds, of a chain of 100,000 people
FEW, ROUNDS, BATCH = 2_000, 3, 200
OWNER, RUNNER = b"\1" * 32, b"\2" * 32


class Measured:
    """A node that answers, and what its processes have used."""

    def __init__(self, pid: int, url: str) -> None:
        self.pid = pid
        self.rpc = Rpc(url, batch=BATCH)

    @property
    def cpu(self) -> float:
        """Seconds, of the process and of its children that run."""
        return of_daemon(self.pid)

    @property
    def memory(self) -> float:
        """MiB at most so far."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return max(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

    def deployed(self) -> Contracts:
        made = deploy(self.rpc.url, OWNER, address_of(RUNNER), nodes.CHAIN_ID, "classic")
        return discover(self.rpc, made.registry, None)

    def fill(self, people: int) -> float:
        """Registers, gives gas, has the faucet pay and gives tokens, a batch of people at a time; seconds without signing."""
        contracts = self.deployed()
        signer, nonce, seconds = Signer(RUNNER, nodes.CHAIN_ID), 0, 0.0
        for first in range(0, people, BATCH):
            new = [(10**39 + number).to_bytes(20, "big") for number in range(first, min(first + BATCH, people))]
            raw = signed(signer, contracts, nonce, new)
            nonce += len(raw)
            began = time.monotonic()
            for place in range(0, len(raw), BATCH):
                self.rpc.calls([("eth_sendRawTransaction", [to_hex(one)]) for one in raw[place : place + BATCH]])
            seconds += time.monotonic() - began
        began = time.monotonic()
        while int(self.rpc.call("eth_getTransactionCount", to_hex(signer.address), "latest"), 16) < nonce:
            time.sleep(0.01)
        return seconds + time.monotonic() - began


@contextmanager
def running(kind: str, folder: Path) -> Iterator[Measured]:
    """A node with its data in ``folder``; it is stopped as `stack down` does it."""
    folder.mkdir(exist_ok=True)
    port, funded = free_port(), [address_of(OWNER), address_of(RUNNER)]
    command = nodes.NODES[kind](folder, port, funded)
    process = subprocess.Popen(command.command, env=os.environ, stdout=sys.stderr)
    try:
        url = f"http://{nodes.HOST}:{port}"
        while True:
            assert process.poll() is None
            try:
                Rpc(url, timeout=60, patience=0).call("eth_chainId")
                break
            except CicScenarioError:
                time.sleep(0.02)
        node = Measured(process.pid, url)
        for account in funded:
            if kind == "anvil":
                nodes.fund(node.rpc, account)
        yield node
    finally:
        process.terminate()
        process.wait()


@needs_anvil
def test_a_transaction_costs_less_than_anvils(tmp_path: Path) -> None:
    cost: dict[str, list[float]] = {"embedded": [], "anvil": []}
    rate: dict[str, list[float]] = {"embedded": [], "anvil": []}
    for turn in range(ROUNDS):
        for kind in cost:
            with running(kind, tmp_path / f"{kind}{turn}") as node:
                before = node.cpu
                rate[kind].append(4 * FEW / node.fill(FEW))
                cost[kind].append((node.cpu - before) / (4 * FEW) * 10_000)
    best = {kind: (min(cost[kind]), max(rate[kind])) for kind in cost}
    for kind, (cpu, a_second) in best.items():
        print(f"\n{kind}: {cpu:.2f} s of a processor for 10,000 transactions, {a_second:.0f} a second", end="")
    print(f"; ratio {best['anvil'][0] / best['embedded'][0]:.2f} and {best['embedded'][1] / best['anvil'][1]:.2f}")
    assert best["embedded"][0] < best["anvil"][0]


@needs_anvil
def test_the_ceiling_over_http(tmp_path: Path) -> None:
    """Requests are signed and encoded beforehand. One connection waits for each answer; several keep two processors busy."""
    best: dict[str, dict[int, Ceiling]] = {"embedded": {}, "anvil": {}}
    for turn in range(ROUNDS):
        for kind, found in best.items():
            with running(kind, tmp_path / f"{kind}{turn}") as node:
                contracts, signer = node.deployed(), Signer(RUNNER, nodes.CHAIN_ID)
                for connections in (1, 2, 4):
                    before = node.cpu
                    one = of_client(node.rpc, signer, contracts, FEW // 2, connections, BATCH)
                    cpu = (node.cpu - before) / (TRANSACTIONS * FEW // 2) * 1e6
                    print(f"\n{kind}: {one}, {cpu:.0f} us of a processor for a transaction", end="")
                    found[connections] = max(one, found.get(connections, one))
    for connections, one in best["embedded"].items():
        other = best["anvil"][connections]
        print(
            f"\nconnections {connections}: {one.rate * TRANSACTIONS:.0f} and {other.rate * TRANSACTIONS:.0f} transactions/s, "
            f"ratio {one.rate / other.rate:.2f}",
            end="",
        )
    assert max(best["embedded"].values()) > max(best["anvil"].values())


def test_a_large_chain_is_small_in_memory_and_soon_back(tmp_path: Path) -> None:
    with running("embedded", tmp_path / "chain") as node:
        node.fill(LARGE)
        memory = node.memory
        head = node.rpc.call("eth_blockNumber")
    files = {path.name: path.stat().st_size / 1e6 for path in (tmp_path / "chain").iterdir()}
    began = time.monotonic()
    with running("embedded", tmp_path / "chain") as node:
        seconds, cpu = time.monotonic() - began, node.cpu
        assert node.rpc.call("eth_blockNumber") == head
    print(
        f"\n{LARGE:,} people: {memory:.0f} MiB at most; {seconds:.1f} s to start again, {cpu:.1f} s of a processor;"
        + ", ".join(f" {name} {size:.0f} MB" for name, size in sorted(files.items()))
    )
    assert memory <= MEMORY
    assert seconds <= RESTART, "only on a machine that does nothing else"
