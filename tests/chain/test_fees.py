"""A gas price that has become too low is named; where it is allowed, transactions are replaced, and each person is paid once."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicscenario.chain.abi import from_hex
from cicscenario.chain.broadcast import Broadcaster
from cicscenario.chain.envelope import fees_of, gas_price_of
from cicscenario.chain.fees import Fees
from cicscenario.chain.follower import Follower
from cicscenario.chain.gasprice import DynamicFee, GasPrice, at, most_of, raised
from cicscenario.chain.intent import Intent
from cicscenario.chain.ledger import Ledger
from cicscenario.chain.refusal import Refusal, refusal
from cicscenario.chain.review import NONCES
from cicscenario.chain.rpc import RpcError
from cicscenario.chain.ticket import Ticket
from cicscenario.errors import ReconcileError
from cicscenario.state.store import Store
from tests.support.memory_chain import SIGNER, FakeRpc, MemoryChain, Transaction

PEOPLE = 4


def account(person: int) -> bytes:
    return b"\xaa" * 19 + bytes([person])


class CostlyChain(MemoryChain):
    """Mines only what pays the base fee."""

    base = 1

    def mine(self, most: int = 100) -> None:
        kept = {one.hash: one for one in self.waiting.values() if one.gas_price < self.base}
        self.waiting = {one.hash: one for one in self.waiting.values() if one.hash not in kept}
        super().mine(most)
        self.waiting |= {one.hash: one for one in kept.values() if one.nonce >= self.count()}


class CostlyRpc(FakeRpc):
    """Its node tells the base fee, and may refuse what is below a price of its own."""

    chain: CostlyChain
    least = 0
    balance = 10**18

    def _eth_getBlockByNumber(self, number: str, full: bool) -> Any:
        found = super()._eth_getBlockByNumber(self._eth_blockNumber() if number == "latest" else number, full)
        return found and found | {"baseFeePerGas": hex(self.chain.base)}

    def _eth_gasPrice(self) -> str:
        return hex(1)

    def _eth_getBalance(self, address: str, block: str) -> str:
        return hex(self.balance)

    def _eth_sendRawTransaction(self, raw: str) -> Any:
        if gas_price_of(from_hex(raw)) < self.least:
            return ValueError({"code": -32000, "message": f"transaction underpriced: needs {self.least}"})
        return super()._eth_sendRawTransaction(raw)


class World:
    """``most`` is the price up to which transactions may be replaced, ``price`` what they are signed with at first."""

    price: GasPrice = 1

    def __init__(self, folder: Path) -> None:
        self.seconds = 0.0
        self.chain = CostlyChain()
        self.rpc = CostlyRpc(self.chain)
        self.store = Store(folder / "state.sqlite")
        self.store.set_meta({"lineage": "one", NONCES: "0"})

    def start(self, most: int | None) -> Ledger:
        self.broadcaster = Broadcaster(
            self.store,
            self.rpc,
            Follower(self.rpc, [], clock=lambda: self.seconds),
            window=10**6,
            patience=120,
            fees=Fees(self.rpc, SIGNER, most),
            clock=lambda: self.seconds,
        )
        self.broadcaster.start = self.broadcaster.resume  # type: ignore[method-assign]
        return Ledger(self.store, self.rpc, SIGNER, self.broadcaster, self.price, lag=0).__enter__()

    def pay(self, ledger: Ledger, people: range = range(PEOPLE)) -> Ticket:
        return ledger.begin("gas", [Intent(n, account(n), value=3) for n in people], lambda one: 21_000)

    def rounds(self, number: int) -> None:
        for _ in range(number):
            self.seconds += 1
            self.broadcaster.raise_if_stalled(self.broadcaster.round())
            if self.chain.waiting:
                self.chain.mine()

    def received(self) -> list[int]:
        to = [one.message.to for _, one in self.chain.mined()]
        return [to.count(account(n)) for n in range(PEOPLE)]


@pytest.fixture(params=[1, DynamicFee(1, 1)], ids=["legacy", "EIP-1559"])
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    world = World(tmp_path)
    world.price = request.param
    yield world
    world.store.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda world: setattr(world.chain, "base", 3), "the base fee of the newest block is 3 wei"),
        (lambda world: setattr(world.rpc, "least", 3), "the node refuses it: transaction underpriced: needs 3"),
    ],
)
def test_the_price_that_would_be_enough_is_named(world: World, change: Callable[[World], None], said: str) -> None:
    ticket = world.pay(world.start(None))
    change(world)
    with pytest.raises(ReconcileError) as told:
        world.rounds(200)
    assert 120 <= world.seconds < 130, "it waits as its patience says"
    assert "was signed at a gas price of 1 wei" in told.value.message
    assert said in told.value.message
    assert "chain.max_gas_price" in (told.value.hint or "")
    assert not ticket.done
    assert world.received() == [0] * PEOPLE


@pytest.mark.parametrize("what", ["base", "least"])
def test_what_waits_is_replaced_where_it_is_allowed(world: World, what: str) -> None:
    ledger = world.start(20)
    ticket = world.pay(ledger)
    setattr(world.chain if what == "base" else world.rpc, what, 3)
    world.rounds(40)
    assert sorted(outcome.person for outcome in ticket.wait() if outcome.ok) == list(range(PEOPLE))
    assert world.received() == [1] * PEOPLE
    counts = world.store.transaction_counts()["gas"]
    assert counts == {"replaced": PEOPLE * (1 if what == "base" else 2), "mined": PEOPLE}
    prices = {gas_price_of(row.raw) for row in world.store.transactions() if row.status == "mined"}
    assert all(3 <= price <= 20 for price in prices)


def test_later_transactions_are_signed_at_the_new_price(world: World) -> None:
    ledger = world.start(20)
    world.pay(ledger, range(1))
    world.chain.base = 3
    world.rounds(20)
    world.pay(ledger)
    world.rounds(3)
    assert world.received() == [1] * PEOPLE
    assert world.store.transaction_counts() == {"gas": {"replaced": 1, "mined": PEOPLE}}


def test_a_price_above_what_is_allowed_replaces_nothing(world: World) -> None:
    world.pay(world.start(20))
    world.chain.base = 21
    with pytest.raises(ReconcileError, match="base fee of the newest block is 21 wei"):
        world.rounds(200)
    assert world.store.transaction_counts() == {"gas": {"broadcast": PEOPLE}}


def test_a_signer_that_cannot_pay_the_higher_price_is_told_so(world: World) -> None:
    world.pay(world.start(20))
    world.chain.base = 3
    world.rpc.balance = 21_000 * 6 * PEOPLE  # without what is given
    with pytest.raises(ReconcileError, match=r"needs 504,012 wei, has 504,000 wei"):
        world.rounds(200)
    assert world.store.transaction_counts() == {"gas": {"broadcast": PEOPLE}}


@pytest.mark.parametrize("restarted", [False, True])
def test_the_replaced_one_may_be_mined_nevertheless(world: World, restarted: bool) -> None:
    """A miner had it: it is the one that counts, and the other can do nothing any more."""
    ticket = world.pay(world.start(20))
    world.broadcaster.round()
    first = list(world.chain.waiting.values())
    world.chain.base = 3
    while not world.store.transaction_counts()["gas"].get("replaced"):
        world.seconds += 1
        world.broadcaster.round()
    world.chain.waiting = {one.hash: one for one in first}
    world.chain.base = 1
    if restarted:
        ticket = world.pay(world.start(20))
    world.chain.mine()
    world.rounds(3)
    if restarted:
        ticket = world.pay(world.start(20))
    assert sorted(outcome.person for outcome in ticket.wait() if outcome.ok) == list(range(PEOPLE))
    assert world.received() == [1] * PEOPLE
    mined = [row for row in world.store.transactions() if row.status == "mined"]
    assert {gas_price_of(row.raw) for row in mined} == {1}
    assert world.store.transaction_counts() == {"gas": {"replaced": PEOPLE, "mined": PEOPLE}}


@pytest.mark.parametrize("when", ["in the same run", "in the next run", "between the runs"])
def test_the_replaced_one_is_watched_without_asking_the_node_to_send_anything(world: World, when: str) -> None:
    """A node may go on saying that it has the other one; that it refuses it is no defence of ours."""
    world.pay(world.start(20))
    world.broadcaster.round()
    first = list(world.chain.waiting.values())
    world.chain.base = 3
    for _ in range(8):
        world.seconds += 1
        world.broadcaster.round()
    assert world.store.transaction_counts() == {"gas": {"replaced": PEOPLE, "broadcast": PEOPLE}}
    old = {row.hash for row in world.store.transactions() if row.status == "replaced"}
    assert old == {from_hex(one.hash) for one in first}, "both hashes are recorded"
    world.chain.waiting, world.chain.base = {one.hash: one for one in first}, 1

    def refuse(raw: str) -> Any:
        raise AssertionError("it was sent again")

    if when == "in the next run":
        world.pay(world.start(20))
        world.broadcaster.round()
        world.chain.waiting = {one.hash: one for one in first}
    world.chain.mine()
    world.rpc._eth_sendRawTransaction = refuse  # type: ignore[method-assign]
    if when == "between the runs":
        world.pay(world.start(20))
    else:
        world.broadcaster.round()
    assert world.store.transaction_counts() == {"gas": {"replaced": PEOPLE, "mined": PEOPLE}}
    assert {row.hash for row in world.store.transactions() if row.status == "mined"} == old
    assert world.received() == [1] * PEOPLE


def test_a_run_that_was_killed_between_replacing_and_sending_goes_on(world: World) -> None:
    world.pay(world.start(20))
    world.broadcaster.round()
    world.chain.base = 3
    send: list[Sequence[Any]] = []
    world.broadcaster._broadcast = send.append  # type: ignore[method-assign, assignment] - it dies before it sends
    for _ in range(8):
        world.seconds += 1
        world.broadcaster.round()
    assert world.store.transaction_counts() == {"gas": {"replaced": PEOPLE, "signed": PEOPLE}}
    world.pay(world.start(None))
    world.rounds(3)
    assert world.received() == [1] * PEOPLE


@pytest.mark.parametrize(
    "said",
    [
        "transaction underpriced",
        "max fee per gas less than block base fee: address 0x00, maxFeePerGas: 1, baseFee: 3",
        "Transaction gas price is too low. It does not satisfy your node's minimal gas price (minimal: 3 got: 1).",
        "FeeTooLow, MaxFeePerGas too low",
        "Gas price below configured minimum gas price",
    ],
)
def test_each_nodes_words_for_it_are_known(said: str) -> None:
    assert refusal(RpcError("eth_sendRawTransaction", "node", {"message": said})) is Refusal.FEE_TOO_LOW


def test_a_replacement_that_is_too_cheap_is_another_thing() -> None:
    error = RpcError("eth_sendRawTransaction", "node", {"message": "replacement transaction underpriced"})
    assert refusal(error) is Refusal.NONCE_PENDING


def test_the_price_of_each_type_is_read() -> None:
    legacy = Transaction(SIGNER.sign(nonce=0, gas_price=7, gas=21_000, to=b"\x01" * 20, value=1, data=b"").raw)
    assert gas_price_of(legacy.raw) == legacy.gas_price == 7
    dynamic = Transaction(
        SIGNER.sign(nonce=0, gas_price=DynamicFee(7, 2), gas=21_000, to=b"\x01" * 20, value=1, data=b"").raw
    )
    assert fees_of(dynamic.raw) == DynamicFee(dynamic.gas_price, dynamic.priority_fee) == DynamicFee(7, 2)
    assert gas_price_of(dynamic.raw) == 7, "the most that it pays"


def test_a_replacement_keeps_the_type_and_raises_both_fees(tmp_path: Path) -> None:
    """A state of an earlier run has legacy transactions; they stay such, beside later ones of EIP-1559."""
    world = World(tmp_path)
    world.pay(world.start(10**6), range(2))
    world.price = DynamicFee(100, 3)
    world.pay(world.start(10**6))
    world.chain.base = 300
    world.rounds(40)
    mined = [fees_of(row.raw) for row in world.store.transactions() if row.status == "mined"]
    assert world.received() == [1] * PEOPLE
    assert mined == [600, 600, DynamicFee(600, 18), DynamicFee(600, 18)]
    world.store.close()


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_higher_maximum_raises_the_priority_fee_as_every_node_asks(one: int, other: int, more: int) -> None:
    old = DynamicFee(max(one, other), min(one, other))
    new = at(old, raised(old.most) + more)
    assert isinstance(new, DynamicFee)
    assert new.priority >= raised(old.priority)
    assert new.priority <= new.most == most_of(new)
    assert at(old, old.most) == old
