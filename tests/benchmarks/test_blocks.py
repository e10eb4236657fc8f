"""How full a run makes the blocks of a chain that mines at intervals, as real ones do.

Run by its own command: ``python -m pytest -n 0 -m benchmark -s tests/benchmarks/test_blocks.py``.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from cicscenario.chain.rpc import Rpc
from cicscenario.chain.signer import address_of
from cicscenario.errors import CicScenarioError
from cicscenario.sandbox import nodes
from cicscenario.sandbox.contracts import deploy
from cicscenario.sandbox.ports import free_port
from tests.support.commands import cicscenario

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

OWNER, RUNNER = b"\1" * 32, b"\2" * 32
MOST = 1.15  #: times the least number of blocks that the gas allows
HEAD = """\
| block time (s) | gas of a block (M) | people | transactions | blocks | least by gas | ratio |
|--:|--:|--:|--:|--:|--:|--:|"""
SCENARIO = """\
version: 1
name: blocks
population: {{size: {people}, seed: 5}}
gift: {{threshold: 200}}
backend: {{kind: eth, keystore: {{kdf: none}}}}
environment: environment.yaml
"""
ENVIRONMENT = """\
version: 1
name: blocks
chain:
  rpc: {url}
  spec: {spec}
  registry: "{registry}"
  signer: {{private_key: "{{{{ env.RUNNER_KEY }}}}"}}
"""


@contextmanager
def chain(folder: Path, block_time: float, gas_limit: int) -> Iterator[tuple[Rpc, str]]:
    """A node that mines at intervals, and the registry of the contracts on it."""
    port, funds = free_port(), nodes.FUNDS
    command = [sys.executable, "-m", "cicscenario.sandbox.node", "--host", nodes.HOST, "--port", str(port)]
    command += ["--data", str(folder), "--block-time", str(block_time), "--gas-limit", str(gas_limit)]
    command += [f"--rich=0x{address_of(key).hex()}={funds}" for key in (OWNER, RUNNER)]
    process = subprocess.Popen(command, env=os.environ)
    try:
        rpc = Rpc(f"http://{nodes.HOST}:{port}")
        while True:
            assert process.poll() is None
            try:
                rpc.call("eth_chainId")
                break
            except CicScenarioError:
                time.sleep(0.05)
        registry = deploy(rpc.url, OWNER, address_of(RUNNER), nodes.CHAIN_ID, "classic").registry
        yield rpc, f"0x{registry.hex()}"
    finally:
        process.terminate()
        process.wait()


def used_by_block(rpc: Rpc, after: int) -> Mapping[int, tuple[int, int]]:
    """The gas used in each block after one, and the number of its transactions."""
    newest = int(rpc.call("eth_blockNumber"), 16)
    blocks: list[Any] = rpc.calls(
        [("eth_getBlockByNumber", [hex(number), False]) for number in range(after + 1, newest + 1)]
    )
    return {int(block["number"], 16): (int(block["gasUsed"], 16), len(block["transactions"])) for block in blocks}


@pytest.mark.parametrize(
    ("block_time", "gas_limit", "people"),
    [(1, 8_000_000, 1000), (1, 30_000_000, 4000), (5, 8_000_000, 600), (5, 30_000_000, 2000)],
)
def test_blocks_are_as_full_as_the_gas_allows(
    tmp_path: Path, block_time: float, gas_limit: int, people: int, monkeypatch
) -> None:
    monkeypatch.setenv("RUNNER_KEY", RUNNER.hex())
    with chain(tmp_path / "chain", block_time, gas_limit) as (rpc, registry):
        (tmp_path / "scenario.yaml").write_text(SCENARIO.format(people=people))
        (tmp_path / "environment.yaml").write_text(
            ENVIRONMENT.format(url=rpc.url, spec=nodes.CHAIN_SPEC, registry=registry)
        )
        before = int(rpc.call("eth_blockNumber"), 16)
        done = cicscenario(tmp_path / "home", "run", str(tmp_path / "scenario.yaml"), patience=1200)
        assert done.returncode == 0, done.stdout + done.stderr
        found = used_by_block(rpc, before)
        used = {block: gas for block, (gas, _) in found.items() if gas}
        number = sum(transactions for _, transactions in found.values())
    blocks = max(used) - min(used) + 1
    least = ceil(sum(used.values()) / gas_limit)
    kind = f"{block_time} | {gas_limit / 1e6:.0f} | {people:,}"
    print(f"\n{HEAD}\n| {kind} | {number:,} | {blocks} | {least} | {blocks / least:.2f} |")
    assert blocks <= MOST * least
