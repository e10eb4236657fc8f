"""People per second, as a share of what the same node takes when it is given nothing but pre-signed transactions.

Run by its own command: ``python -m pytest -m benchmark -s tests/benchmarks``.
"""

import json
import resource
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests_support import NODES, Sandbox, command_line, surroundings

from cicscenario.chain.abi import pack, to_hex
from cicscenario.chain.contracts import ADD

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

SCENARIO = """
version: 1
name: bench
population: {size: 1000, seed: 5}
gift: {threshold: 200}
backend: {kind: eth, keystore: {kdf: none}}
environment: sandbox
"""
TRANSACTIONS_A_PERSON = 4


def run(box: Sandbox, path: Path, size: int) -> tuple[float, float]:
    """Seconds on chain, from the first registration to the last transaction, and the runner's peak memory in MiB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    began = time.monotonic()
    arguments = command_line("run", str(path), "--set", f"population.size={size}", "--set", f"name=bench{size}")
    process = subprocess.Popen(arguments, env=surroundings(box.home), stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max(peak, *(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")))
        except (OSError, TypeError):
            pass
        time.sleep(0.05)
    assert process.returncode == 0
    assert before >= 0
    report = json.loads((box.home / "runs" / f"bench{size}" / "report.json").read_text())
    assert all(check["errors"] == 0 for check in report["checks"])
    print(f"\n{size} people: whole command {time.monotonic() - began:.1f} s, runner's peak memory {peak:.0f} MiB")
    return max(step["seconds"] for step in report["steps"]), peak


def ceiling(box: Sandbox, count: int) -> float:
    """Transactions a second of the node alone: registrations signed beforehand, in the same batches."""
    session = box.session()
    nonce = int(session.rpc.call("eth_getTransactionCount", to_hex(session.signer.address), "latest"), 16)
    raw = [
        to_hex(
            session.signer.sign(
                nonce=nonce + n,
                gas_price=10**9,
                gas=120_000,
                to=session.contracts.accounts_index,
                value=0,
                data=pack(ADD, (n + 1).to_bytes(20, "big")),
            ).raw
        )
        for n in range(count)
    ]
    began = time.monotonic()
    for start in range(0, count, 200):
        session.rpc.calls([("eth_sendRawTransaction", [tx]) for tx in raw[start : start + 200]])
    while (
        int(session.rpc.call("eth_getTransactionCount", to_hex(session.signer.address), "latest"), 16) < nonce + count
    ):
        time.sleep(0.02)
    return count / (time.monotonic() - began)


@pytest.mark.parametrize("node", NODES)
def test_cost_a_person_is_flat_and_near_the_nodes_ceiling(
    sandbox_of: Callable[..., Sandbox], tmp_path: Path, node: str
) -> None:
    path = tmp_path / "bench.yaml"
    path.write_text(SCENARIO)
    box = sandbox_of(node)
    run(box, path, 50)
    small, small_memory = run(box, path, 1000)
    large, large_memory = run(box, path, 10_000)
    top = ceiling(box, 4000) / TRANSACTIONS_A_PERSON
    print(
        f"{node}: {1000 / small:.0f} people/s at 1,000, {10_000 / large:.0f} at 10,000;"
        f" ceiling {top:.0f} people/s, ratio {1000 / small / top:.2f} and {10_000 / large / top:.2f};"
        f" memory {small_memory:.0f} and {large_memory:.0f} MiB"
    )
    assert (large / 10_000) / (small / 1000) <= 1.2
    assert large_memory <= small_memory * 1.5
