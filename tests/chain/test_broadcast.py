"""The broadcaster's rounds, on a chain in memory and with a clock of the test's own: no test here waits."""

import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from cicscenario.chain.broadcast import Broadcaster
from cicscenario.chain.follower import PLAIN_TRANSFER_GAS, Follower
from cicscenario.errors import UnavailableError
from cicscenario.state.rows import LedgerRow
from cicscenario.state.store import Store
from tests.support.memory_chain import MEMORY_TOKEN, SIGNER, FakeRpc, MemoryChain, no_answer


class World:
    """A broadcaster that the test drives; ``seconds`` is its clock."""

    def __init__(self, path: Path) -> None:
        self.seconds = 0.0
        self.chain = MemoryChain()
        self.rpc = FakeRpc(self.chain)
        self.store = Store(path / "state.sqlite")
        self.broadcaster = Broadcaster(
            self.store,
            self.rpc,
            Follower(self.rpc, [MEMORY_TOKEN]),
            window=3 * PLAIN_TRANSFER_GAS,
            patience=120,
            clock=lambda: self.seconds,
        )

    def submit(self, count: int) -> None:
        rows = []
        for n in range(count):
            signed = SIGNER.sign(nonce=n, gas_price=1, gas=PLAIN_TRANSFER_GAS, to=b"\xaa" * 20, value=n, data=b"")
            row = LedgerRow("gas", n, SIGNER.address, n, signed.hash, signed.raw, PLAIN_TRANSFER_GAS, "signed")
            rows.append(row)
        self.store.add_transactions(rows)
        self.broadcaster.submit(rows)

    def round(self, seconds: float = 0) -> None:
        self.seconds += seconds
        self.broadcaster.raise_if_stalled(self.broadcaster.round())

    def sent(self) -> int:
        """Transactions sent so far, each as often as it was."""
        return sum(method == "eth_sendRawTransaction" for calls in self.rpc.requests for method, _ in calls)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


def test_no_more_gas_is_in_flight_than_the_window_allows(world: World) -> None:
    world.submit(5)
    world.round()
    assert world.sent() == len(world.chain.waiting) == 3
    world.chain.mine()
    world.round()
    world.round()
    assert world.sent() == 5


def test_what_does_not_end_is_sent_again_ever_more_seldom(world: World) -> None:
    world.submit(1)
    at: list[float] = []
    for _ in range(110):
        before = world.sent()
        world.round(seconds=1)
        if world.sent() > before:
            at.append(world.seconds)
    assert [later - earlier for earlier, later in pairwise(at[1:])] == [7, 13, 25, 31]


def test_a_node_that_is_away_for_less_than_the_patience_is_sat_out(world: World) -> None:
    world.submit(2)
    world.rpc.before = no_answer
    for _ in range(11):
        world.round(seconds=10)
    world.rpc.before = lambda calls: None
    world.round(seconds=5)
    world.chain.mine()
    world.round()
    assert world.store.transaction_counts() == {"gas": {"mined": 2}}


def test_one_that_is_away_for_longer_is_given_up_with_its_last_error(world: World) -> None:
    world.submit(2)
    world.rpc.before = no_answer
    for _ in range(12):
        world.round(seconds=10)
    said = r"no transaction was mined .* for 130 seconds, 2 are in flight.*does not answer"
    with pytest.raises(UnavailableError, match=said):
        world.round(seconds=10)
    assert world.store.transaction_counts() == {"gas": {"signed": 2}}


def test_whatever_moves_renews_the_patience(world: World) -> None:
    world.submit(9)
    for _ in range(5):
        world.round(seconds=100)
        world.chain.mine(2)
    assert world.store.transaction_counts()["gas"]["mined"] == 6


class SlowClock(threading.Event):
    """A stop that is never set; a wait for it only lets the world's clock go on."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self._world = world

    def wait(self, timeout: float | None = None) -> bool:
        self._world.seconds += timeout or 0.0
        return False


def test_a_node_that_has_yet_to_learn_of_a_failed_transaction_is_waited_for(world: World) -> None:
    """It lags behind: asked a little later, it knows of it, and that it was mined after all."""
    world.submit(1)
    world.round()
    (row,) = world.store.outstanding(SIGNER.address)
    world.store.settle([(row.hash, "failed", 1, "reverted")])
    world.broadcaster._stopping = SlowClock(world)  # type: ignore[assignment]
    sent = dict(world.chain.waiting)
    world.chain.waiting.clear()

    def catches_up(calls: object) -> None:
        if world.seconds > 30 and not world.chain.waiting and not world.chain.blocks[1:]:
            world.chain.waiting.update(sent)
            world.chain.mine()

    world.rpc.before = catches_up
    world.broadcaster.recheck_failed([row])
    assert 30 < world.seconds < 60
    assert world.store.transaction_counts() == {"gas": {"mined": 1}}


def test_one_that_never_learns_of_it_is_named_and_nothing_new_is_sent(world: World) -> None:
    world.submit(1)
    world.round()
    (row,) = world.store.outstanding(SIGNER.address)
    world.store.settle([(row.hash, "failed", 1, "reverted")])
    world.broadcaster._stopping = SlowClock(world)  # type: ignore[assignment]
    world.chain.waiting.clear()
    sent = world.sent()
    with pytest.raises(UnavailableError, match="it lags behind, or its chain was set back") as caught:
        world.broadcaster.recheck_failed([row])
    assert "--fresh" not in str(caught.value.hint)
    assert world.seconds >= 120
    assert world.sent() == sent
