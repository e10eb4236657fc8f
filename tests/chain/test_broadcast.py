"""The broadcaster's rounds, on a chain in memory and with a clock of the test's own: no test here waits."""

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cicscenario.chain.abi import to_hex
from cicscenario.chain.broadcast import Broadcaster
from cicscenario.chain.follower import PLAIN_TRANSFER_GAS, Follower
from cicscenario.chain.review import Review
from cicscenario.chain.rpc import Call, UnansweredError
from cicscenario.errors import ReconcileError, UnavailableError
from cicscenario.state.rows import LedgerRow
from cicscenario.state.store import Store
from tests.support.memory_chain import MEMORY_TOKEN, SIGNER, FakeRpc, MemoryChain, Transaction, no_answer


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


def forget(world: World) -> list[str]:
    """The node has the method that makes it forget what waits; gives whose transactions it was told to forget."""
    told: list[str] = []

    def removed(signer: str) -> None:
        told.append(signer)
        world.chain.waiting.clear()
        world.chain.stranded = -1

    world.rpc._anvil_removePoolTransactions = removed  # type: ignore[attr-defined]
    return told


@pytest.mark.parametrize("nonce", [0, 1])
def test_what_a_node_holds_and_never_mines_is_sent_as_new(world: World, nonce: int) -> None:
    world.chain.stranded = nonce
    told = forget(world)
    world.submit(3)
    world.round()
    world.chain.mine()
    for _ in range(3):
        world.round(seconds=4)
    assert told == [to_hex(SIGNER.address)]
    world.chain.mine()
    world.round()
    assert world.store.transaction_counts() == {"gas": {"mined": 3}}


def test_what_a_node_will_mine_is_left_in_it(world: World) -> None:
    told = forget(world)
    world.submit(3)
    for _ in range(10):
        world.round(seconds=4)
    assert told == []


@pytest.mark.parametrize("says_so", [True, False])
def test_a_node_that_keeps_them_nevertheless_is_given_up_after_the_patience(world: World, says_so: bool) -> None:
    world.chain.stranded = 0
    if says_so:
        world.rpc._anvil_removePoolTransactions = lambda signer: None  # type: ignore[attr-defined]
    world.submit(3)
    for _ in range(30):
        world.round(seconds=4)
    with pytest.raises(UnavailableError, match=r"no transaction was mined .* 3 are in flight"):
        world.round(seconds=8)


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


def test_a_read_that_was_repeated_as_often_as_is_allowed_ends_it_and_what_was_signed_stays(world: World) -> None:
    def given_up(calls: Sequence[Call]) -> None:
        error = UnansweredError("chain node fake does not answer")
        error.given_up = all(method != "eth_sendRawTransaction" for method, _ in calls)
        raise error

    world.submit(2)
    world.rpc.before = given_up
    world.round(seconds=1)  # of sending, which has another rule
    with pytest.raises(UnavailableError, match="does not answer"):
        world.round(seconds=1)
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


# --- what was sent and not accepted ---------------------------------------------------------------------------------


def bytes_sent(world: World) -> list[str]:
    return [params[0] for calls in world.rpc.requests for method, params in calls if method == "eth_sendRawTransaction"]


def answering(world: World, answer: Callable[[str], Any], times: int) -> None:
    """The next transactions are answered so; after ``times`` of them the node is right again."""
    right, left = world.rpc._eth_sendRawTransaction, [times]

    def send(raw: str) -> Any:
        left[0] -= 1
        return answer(raw) if left[0] >= 0 else right(raw)

    world.rpc._eth_sendRawTransaction = send  # type: ignore[method-assign]


#: What a node may answer instead of accepting a transaction.
NOT_ACCEPTED: dict[str, Callable[[str], Any]] = {
    "another hash": lambda raw: "0x" + "00" * 32,
    "null": lambda raw: None,
    "a number": lambda raw: 1,
    "rate limit": lambda raw: ValueError({"code": -32005, "message": "rate limit exceeded"}),
    "internal error": lambda raw: ValueError({"code": -32603, "message": "Internal error"}),
    "full": lambda raw: ValueError({"code": -32000, "message": "txpool is full"}),
    "nonce gap": lambda raw: ValueError({"code": -32000, "message": "nonce too high"}),
}


@pytest.mark.parametrize("kind", NOT_ACCEPTED)
def test_what_is_not_accepted_is_sent_again_soon_and_the_same(world: World, kind: str) -> None:
    world.submit(3)
    answering(world, NOT_ACCEPTED[kind], 2)
    world.round()
    assert len(world.chain.waiting) == 1
    world.round(seconds=0.5)
    assert len(world.chain.waiting) == 3
    assert len(set(bytes_sent(world))) == 3
    world.chain.mine()
    world.round()
    assert world.store.transaction_counts() == {"gas": {"mined": 3}}


def test_later_nonces_wait_until_the_earlier_are_accepted(world: World) -> None:
    world.broadcaster._window, world.broadcaster._batch = 100 * PLAIN_TRANSFER_GAS, 3
    world.submit(6)
    answering(world, NOT_ACCEPTED["full"], 1)
    world.round()
    world.round()
    assert world.sent() == 3
    world.round(seconds=1)
    world.chain.mine()
    world.round()
    world.round()
    assert world.sent() == 3 + 1 + 3


def test_an_answer_that_is_lost_is_asked_for_ever_more_seldom(world: World) -> None:
    world.submit(1)
    world.rpc._eth_sendRawTransaction = lambda raw: no_answer([])  # type: ignore[method-assign]
    at: list[float] = []
    for _ in range(100):
        before = world.sent()
        world.round(seconds=0.1)
        if world.sent() > before:
            at.append(world.seconds)
    pauses = [later - earlier for earlier, later in pairwise(at)]
    assert pauses[0] < 0.4
    assert len(at) < 12


def test_the_time_that_a_node_names_is_waited_before_sending_again(world: World) -> None:
    def limited(calls: Sequence[Call]) -> None:
        if calls[0][0] == "eth_sendRawTransaction":
            raise UnansweredError("chain node answers with HTTP 429", retry_after="9")

    world.submit(1)
    world.rpc.before = limited
    world.round()
    world.rpc.before = lambda calls: None
    world.round(seconds=8)
    assert world.sent() == 1
    world.round(seconds=2)
    world.chain.mine()
    world.round()
    assert world.store.transaction_counts() == {"gas": {"mined": 1}}


# --- nodes of different heights behind one address ------------------------------------------------------------------


def lagging(world: World, until: float, count: int = 0) -> None:
    """Up to this time the node's own count is too low, and it knows no transaction, although it refuses used nonces."""
    count_right, find_right = world.rpc._eth_getTransactionCount, world.rpc._eth_getTransactionByHash
    receipt_right = world.rpc._eth_getTransactionReceipt
    late = lambda: world.seconds < until  # noqa: E731
    world.rpc._eth_getTransactionCount = lambda *given: hex(count) if late() else count_right(*given)  # type: ignore[method-assign]
    world.rpc._eth_getTransactionByHash = lambda digest: None if late() else find_right(digest)  # type: ignore[method-assign]
    world.rpc._eth_getTransactionReceipt = lambda digest: None if late() else receipt_right(digest)  # type: ignore[method-assign]


def rounds(world: World, number: int) -> None:
    for _ in range(number):
        world.round(seconds=1)


def used_by_itself(world: World) -> None:
    """Nonce 0 is mined, and the answer was lost."""
    world.submit(1)
    (row,) = world.store.outstanding(SIGNER.address)
    world.chain.take(Transaction(row.raw))
    world.broadcaster.follower.block = 1  # the block is not read: it is that of another node
    world.chain.mine()


@pytest.mark.parametrize("count", [0, 1])
def test_a_nonce_that_is_used_by_itself_is_learnt_of_later(world: World, count: int) -> None:
    used_by_itself(world)
    lagging(world, until=6, count=count)
    for _ in range(10):
        world.round(seconds=1)
    assert world.store.transaction_counts() == {"gas": {"mined": 1}}


@pytest.mark.parametrize(("count", "said"), [(0, "is free"), (1, "was taken by another transaction")])
def test_a_nonce_that_stays_used_by_something_unknown_is_left_to_a_person(world: World, count: int, said: str) -> None:
    used_by_itself(world)
    lagging(world, until=1000, count=count)
    with pytest.raises(ReconcileError, match=said) as raised:
        rounds(world, 40)
    assert "lags" in (raised.value.hint or "")
    assert world.seconds >= 10
    assert len(set(bytes_sent(world))) == 1


@pytest.mark.parametrize("reconcile", [False, True])
def test_a_nonce_that_seems_taken_at_the_start_is_looked_at_again(world: World, reconcile: bool) -> None:
    used_by_itself(world)
    lagging(world, until=6, count=1)
    follower, clock = world.broadcaster.follower, SlowClock(world)
    Review(
        world.store, world.rpc, follower, SIGNER, 1, reconcile=reconcile, lag=10, stopping=clock,
        clock=lambda: world.seconds,
    ).run()  # fmt: skip
    assert world.store.transaction_counts() == {"gas": {"mined": 1}}


# --- the end --------------------------------------------------------------------------------------------------------


def test_a_node_that_goes_away_for_good_before_the_last_look_is_not_waited_for_without_end(world: World) -> None:
    """All transactions have ended by then, so nothing is in flight that could stall."""
    follower = Follower(world.rpc, [MEMORY_TOKEN])
    broadcaster = Broadcaster(world.store, world.rpc, follower, window=PLAIN_TRANSFER_GAS, patience=0.2)
    world.rpc.before = no_answer
    broadcaster.start(SIGNER.address, lambda block: None)
    try:
        with pytest.raises(UnavailableError, match=r"every transaction has ended, but for \d+ seconds") as told:
            broadcaster.finish()
        assert "last error: chain node fake does not answer" in str(told.value)
    finally:
        broadcaster.stop()
