"""Running nodes: ``node`` mines when told by evm_mine, ``automining`` by itself; both come as embedded and as anvil."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account

from cicscenario.sandbox.nodes import anvil_path
from tests.support.reopened_chain import ReopenedChain
from tests.support.running_node import RICH, RunningNode, Wallet

_KINDS = ["embedded", "anvil"]


def _running(kind: str, factory: pytest.TempPathFactory, *, manual: bool) -> Iterator[RunningNode]:
    if kind == "anvil" and anvil_path() is None:
        pytest.skip("no anvil: name its binary in CICSCENARIO_ANVIL or put it into PATH")
    node = RunningNode(kind, factory.mktemp(kind), manual=manual).start()
    yield node
    node.stop()


@pytest.fixture(scope="session", params=_KINDS)
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    yield from _running(request.param, tmp_path_factory, manual=True)


@pytest.fixture(scope="session", params=_KINDS)
def automining(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    yield from _running(request.param, tmp_path_factory, manual=False)


@pytest.fixture
def wallet(node: RunningNode) -> Wallet:
    """A new account on ``node`` with ten ether, so that no test meets another's nonces."""
    return fund(node, Wallet(node, Account.create()))


def fund(node: RunningNode, new: Wallet) -> Wallet:
    rich = Wallet(node, RICH, int(node.rpc("eth_getTransactionCount", RICH.address, "latest"), 16))
    rich.run(to=new.address, value=10 * 10**18)
    return new


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReopenedChain]:
    monkeypatch.setattr("cicscenario.sandbox.node.history._IN_MEMORY", 3)  # so that nearly all blocks are read back
    made = ReopenedChain(tmp_path / "chain", monkeypatch)
    yield made
    made.kill()
