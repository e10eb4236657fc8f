"""A node of either kind in a process of its own, for benchmarks: what it has used, and people whom it is filled with."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cicscenario.chain.abi import to_hex
from cicscenario.chain.contracts import Contracts
from cicscenario.chain.discovery import discover
from cicscenario.chain.rpc import Rpc
from cicscenario.chain.signer import Signer, address_of
from cicscenario.errors import CicScenarioError
from cicscenario.sandbox import nodes
from cicscenario.sandbox.contracts import deploy
from cicscenario.sandbox.ports import free_port
from tests.benchmarks.ceiling import signed
from tests.support.cputime import of_daemon

BATCH = 200  #: transactions in a request
OWNER, RUNNER = b"\1" * 32, b"\2" * 32  #: keys of the contracts' owner, and of who sends the transactions


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
