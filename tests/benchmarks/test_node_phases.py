"""Microseconds of a processor that a transaction costs the embedded node, by phase; and what libsecp256k1 and pyrevm take of it.

Run by its own command: ``python -m pytest -n 0 -m benchmark -s tests/benchmarks/test_node_phases.py``. There is no HTTP in it.
Each figure is the sum of the least that each request took in some rounds, so that others on the machine matter little.
"""

import json
import marshal
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from coincurve import PublicKey

from cicscenario.chain.abi import to_hex
from cicscenario.chain.signer import Signer
from cicscenario.sandbox import nodes
from cicscenario.sandbox.node.ahead import Known, raw_transactions
from cicscenario.sandbox.node.chain import Chain, open_chain
from cicscenario.sandbox.node.decoder import decoded
from cicscenario.sandbox.node.journal import Journal
from cicscenario.sandbox.node.methods import Methods
from cicscenario.sandbox.node.rpc import answer_to, parsed
from cicscenario.sandbox.node.transaction import Transaction
from tests.benchmarks.ceiling import signed
from tests.benchmarks.measured_node import BATCH, RUNNER, running

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

BATCHES, ROUNDS = 4, 8
_TASK = 20  # transactions


class Stopwatch:
    """Seconds of this thread by phase, and request."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}
        self._at = time.thread_time()

    def lap(self, phase: str) -> None:
        now = time.thread_time()
        self.seconds.setdefault(phase, []).append(now - self._at)
        self._at = time.thread_time()


def requests(folder: Path) -> list[bytes]:
    """Requests for new people on the chain in ``folder``, which is made with its contracts."""
    with running("embedded", folder) as node:
        contracts, signer = node.deployed(), Signer(RUNNER, nodes.CHAIN_ID)
    raw: list[bytes] = []
    for first in range(0, BATCH * BATCHES, BATCH):
        people = [(10**39 + number).to_bytes(20, "big") for number in range(first, first + BATCH)]
        raw += signed(signer, contracts, len(raw), people)
    return [_body(raw[first : first + BATCH]) for first in range(0, len(raw), BATCH)]


def _body(raw: Sequence[bytes]) -> bytes:
    head = {"jsonrpc": "2.0", "method": "eth_sendRawTransaction"}
    return json.dumps([head | {"id": number, "params": [to_hex(one)]} for number, one in enumerate(raw)]).encode()


def opened(folder: Path) -> Chain:
    journal = Journal(folder)
    genesis = journal.read_genesis()
    journal.close()
    assert genesis
    return open_chain(folder, genesis)


def decode(asked: Any, watch: Stopwatch) -> Known:
    """As ``ahead`` and its decoder do it, in one process."""
    texts = raw_transactions(asked)
    tasks = [marshal.dumps((0, texts[first : first + _TASK])) for first in range(0, len(texts), _TASK)]
    watch.lap("node: tasks")
    results = [marshal.dumps([tx and tuple(tx) for tx in decoded(marshal.loads(task)[1])]) for task in tasks]
    watch.lap("decoder: all it does")
    found = [tx and Transaction._make(tx) for result in results for tx in marshal.loads(result)]
    known = {text: tx for text, tx in zip(texts, found, strict=True) if tx}
    watch.lap("node: results")
    return known


def answered(folder: Path, bodies: Sequence[bytes]) -> dict[str, list[float]]:
    chain = opened(folder)
    known: Known = {}
    methods = Methods(chain, known)
    watch = Stopwatch()
    for body in bodies:
        watch.lap("between")
        asked = parsed(body)
        watch.lap("node: JSON")
        known.update(decode(asked, watch))
        watch.lap("between")
        answers = answer_to(asked, methods.call)
        watch.lap("node: checks, pool and answers")
        assert answers
        assert b'"error"' not in answers
        known.clear()
        watch.lap("between")
        chain.mine_ready()
        watch.lap("node: execution, blocks and journal")
    chain.close()
    return {phase: each for phase, each in watch.seconds.items() if phase != "between"}


def alone(folder: Path, bodies: Sequence[bytes]) -> dict[str, list[float]]:
    """libsecp256k1 and pyrevm alone: what a node in Python cannot do without, however it is written."""
    chain = opened(folder)
    evm = Timed(chain.evm._evm)
    chain.evm._evm = evm  # type: ignore[assignment]
    methods, seconds = Methods(chain), {"floor: libsecp256k1": [], "floor: pyrevm executes and tells": []}  # type: ignore[var-annotated]
    for body in bodies:
        answer_to(parsed(body), methods.call)
        txs = [tx for tx in decoded(raw_transactions(parsed(body))) if tx]
        signatures = [tx.r.to_bytes(32) + tx.s.to_bytes(32) + bytes([(tx.v - 35) % 2]) for tx in txs]
        began = time.thread_time()
        for signature, tx in zip(signatures, txs, strict=True):  # of another message, which takes as long
            PublicKey.from_signature_and_message(signature, tx.hash, hasher=None)
        seconds["floor: libsecp256k1"].append(time.thread_time() - began)
        evm.seconds = 0.0
        chain.mine_ready()
        seconds["floor: pyrevm executes and tells"].append(evm.seconds)
    chain.close()
    return seconds


class Timed:
    """pyrevm's EVM, and the ``seconds`` spent in its two dear calls; to time the short ones takes longer than they do."""

    def __init__(self, evm: Any) -> None:
        self.evm = evm
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.evm, name)

    def message_call(self, *arguments: Any) -> Any:
        return self._timed(lambda: self.evm.message_call(*arguments))

    @property
    def journal_str(self) -> str:
        return str(self._timed(lambda: self.evm.journal_str))

    def _timed(self, call: Callable[[], Any]) -> Any:
        began = time.thread_time()
        try:
            return call()
        finally:
            self.seconds += time.thread_time() - began


def test_microseconds_by_phase(tmp_path: Path) -> None:
    bodies = requests(tmp_path / "made")
    rounds: list[dict[str, list[float]]] = []
    for number in range(ROUNDS):
        for measured in (answered, alone):
            folder = tmp_path / f"{measured.__name__}{number}"
            shutil.copytree(tmp_path / "made", folder)
            found = measured(folder, bodies)
            rounds.append(found) if measured is answered else rounds[-1].update(found)
    least = {
        phase: sum(map(min, zip(*(each[phase] for each in rounds), strict=True))) / (BATCH * len(bodies)) * 1e6
        for phase in rounds[0]
    }
    for phase, microseconds in least.items():
        print(f"\n{phase:40} {microseconds:6.1f} us", end="")
    node = sum(microseconds for phase, microseconds in least.items() if phase.startswith("node"))
    print(f"\nthe node {node:.1f} us, the decoder beside it {least['decoder: all it does']:.1f} us")
    assert node < 200
