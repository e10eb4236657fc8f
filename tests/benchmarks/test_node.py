"""The embedded node beside anvil in one run: processor time a transaction, memory of a large chain, and seconds to start again.

Run by its own command: ``python -m pytest -n 0 -m benchmark -s tests/benchmarks/test_node.py``.
``CICSCENARIO_BENCHMARK_PEOPLE`` is the size of the large chain; signing and sending for 100,000 people takes some minutes.
"""

import os
import time
from pathlib import Path

import pytest

from cicscenario.chain.signer import Signer
from cicscenario.sandbox import nodes
from tests.benchmarks.ceiling import TRANSACTIONS, Ceiling, of_client
from tests.benchmarks.measured_node import BATCH, RUNNER, running
from tests.support.sandboxes import needs_anvil

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

LARGE = int(os.environ.get("CICSCENARIO_BENCHMARK_PEOPLE", "100000"))
MEMORY, RESTART = 400, 5.0  #: MiB and seconds, of a chain of 100,000 people
FEW, ROUNDS = 2_000, 3


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
