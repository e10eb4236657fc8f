"""The chain has other blocks than those that were read: the run goes back with it and on, and nobody is paid twice."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cicscenario.chain.broadcast import Broadcaster
from cicscenario.chain.follower import Follower
from cicscenario.chain.intent import Intent
from cicscenario.chain.ledger import Ledger
from cicscenario.chain.proof import SentCall
from cicscenario.chain.review import NONCES, Recognised
from cicscenario.chain.rpc import Call, RpcError
from cicscenario.chain.ticket import Ticket
from cicscenario.chain.trace import KEPT, BlockTrace, spread
from cicscenario.errors import ReconcileError, UnavailableError
from cicscenario.state.rows import Outcome
from cicscenario.state.store import Store
from tests.support.memory_chain import MEMORY_TOKEN, SIGNER, FakeRpc, MemoryChain, Transaction

PEOPLE = 6


def account(person: int) -> bytes:
    return b"\xaa" * 19 + bytes([person])


def recognise(call: SentCall) -> Recognised:
    return Recognised(tuple(("gas", n) for n in range(PEOPLE) if call == SentCall(account(n), 3, b"")))


class World:
    """A run with a clock of the test's own; ``round`` is one of its broadcaster's."""

    def __init__(self, folder: Path) -> None:
        self.seconds = 0.0
        self.chain = MemoryChain()
        self.rpc = FakeRpc(self.chain)
        self.store = Store(folder / "state.sqlite")
        self.store.set_meta({"lineage": "one", NONCES: "0"})
        self.undone = 0

    def start(self, *, reconcile: bool = False) -> Ledger:
        self.follower = Follower(self.rpc, [MEMORY_TOKEN], clock=lambda: self.seconds)
        self.broadcaster = Broadcaster(
            self.store, self.rpc, self.follower, window=10**6, patience=120, clock=lambda: self.seconds
        )
        self.broadcaster.start = self.broadcaster.resume  # type: ignore[method-assign]
        ledger = Ledger(
            self.store, self.rpc, SIGNER, self.broadcaster, 1, recognise=recognise, reconcile=reconcile, lag=0,
            undone=self.undo,
        )  # fmt: skip
        return ledger.__enter__()

    def undo(self) -> None:
        self.undone += 1

    def pay(self, ledger: Ledger, people: range) -> Ticket:
        return ledger.begin("gas", [Intent(n, account(n), value=3) for n in people], lambda one: 21_000)

    def round(self, number: int = 1, *, seconds: float = 1, mines: bool = False) -> None:
        for _ in range(number):
            self.seconds += seconds
            self.broadcaster.raise_if_stalled(self.broadcaster.round())
            if mines:
                self.chain.mine()

    def received(self) -> list[int]:
        to = [one.message.to for _, one in self.chain.mined()]
        return [to.count(account(n)) for n in range(PEOPLE)]

    def told(self, ticket: Ticket) -> None:
        """The engine saves what it is told."""
        self.store.commit("gas", ticket.wait())

    def paid_everybody(self) -> Ledger:
        """A run in which each is paid in a block of their own."""
        ledger = self.start()
        for person in range(PEOPLE):
            ticket = self.pay(ledger, range(person, person + 1))
            self.round(mines=True)
            self.round()
            self.told(ticket)
        return ledger


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


@pytest.mark.parametrize("waiting_again", [True, False], ids=["waits again", "is gone"])
def test_what_was_in_blocks_that_are_gone_is_sent_again_in_the_same_run(world: World, waiting_again: bool) -> None:
    world.paid_everybody()
    before = {row.hash for row in world.store.transactions()}
    world.chain.set_back(3, waiting_again=waiting_again)
    world.chain.blocks.append(type(world.chain.blocks[0])(4, "0x" + "44" * 32, world.chain.blocks[-1].hash))
    for number in (5, 6, 7):
        world.chain.blocks.append(type(world.chain.blocks[0])(number, f"0x{number:064x}", world.chain.blocks[-1].hash))
    world.round()
    assert world.store.done("gas", 0, PEOPLE) == {0, 1, 2}, "nobody counts as paid whose block is gone"
    assert world.undone == 1
    world.round(6, mines=True)
    assert world.received() == [1] * PEOPLE
    assert world.store.transaction_counts() == {"gas": {"mined": PEOPLE}}
    assert {row.hash for row in world.store.transactions()} == before


def test_an_error_while_it_is_taken_back_has_it_taken_back_again(world: World) -> None:
    """The run stood still for ever: transactions were outstanding that nobody watched."""
    world.paid_everybody()
    world.chain.set_back(3, waiting_again=False)
    for number in (4, 5, 6, 7):
        world.chain.blocks.append(type(world.chain.blocks[0])(number, f"0x{number:064x}", world.chain.blocks[-1].hash))
    undo, failures = world.broadcaster._undo, [UnavailableError("disk I/O error")]

    def undo_once_in_vain(block: int) -> None:
        undo(block)
        if failures:
            raise failures.pop()

    world.broadcaster._undo = undo_once_in_vain
    world.round(8, mines=True)
    assert not failures
    assert world.received() == [1] * PEOPLE
    assert world.store.transaction_counts() == {"gas": {"mined": PEOPLE}}


def test_a_node_that_lags_for_a_while_undoes_nothing(world: World) -> None:
    world.paid_everybody()
    newest = world.rpc._eth_blockNumber
    world.rpc._eth_blockNumber = lambda: "0x2"  # type: ignore[method-assign]
    world.broadcaster._to_look_back = True
    world.round(8)
    assert world.broadcaster._to_look_back, "it is not settled whether the blocks are still there"
    world.rpc._eth_blockNumber = newest  # type: ignore[method-assign]
    world.round()
    assert not world.broadcaster._to_look_back
    assert world.undone == 0
    assert world.store.done("gas", 0, PEOPLE) == set(range(PEOPLE))


def test_a_node_that_stays_lower_was_set_back(world: World) -> None:
    world.paid_everybody()
    world.chain.set_back(2, waiting_again=False)
    world.broadcaster._to_look_back = True
    world.round(15)
    assert world.undone == 1
    assert world.store.height() <= len(world.chain.blocks)
    world.round(4, mines=True)
    assert world.received() == [1] * PEOPLE


def test_a_node_that_lost_everything_and_heals_is_waited_for(world: World) -> None:
    """Meanwhile it says that the signer has no money, and knows no transaction."""
    world.paid_everybody()
    kept = world.chain.blocks
    world.chain.blocks = kept[:1]

    accepts = world.rpc._eth_sendRawTransaction
    world.rpc._eth_sendRawTransaction = lambda raw: ValueError({"code": -32000, "message": "insufficient funds"})  # type: ignore[method-assign]
    world.broadcaster._to_look_back = True
    world.round(60)
    world.chain.blocks = kept
    world.rpc._eth_sendRawTransaction = accepts  # type: ignore[method-assign]
    world.round(30)
    assert world.store.transaction_counts() == {"gas": {"mined": PEOPLE}}
    assert world.received() == [1] * PEOPLE


def test_one_that_never_heals_is_told_once(world: World) -> None:
    world.paid_everybody()
    world.chain.set_back(5, waiting_again=False)
    world.rpc._eth_sendRawTransaction = lambda raw: ValueError({"code": -32000, "message": "insufficient funds"})  # type: ignore[method-assign]
    world.broadcaster._to_look_back = True
    with pytest.raises(UnavailableError) as told:
        world.round(200)
    assert told.value.message.count("insufficient funds") == 1
    assert told.value.message.count("no transaction was mined") == 1


def test_a_run_after_the_chain_went_back_pays_all_whom_it_undid(world: World) -> None:
    world.paid_everybody()
    world.chain.set_back(4, waiting_again=False)
    ledger = world.start()
    assert world.store.done("gas", 0, PEOPLE) == {0, 1}
    assert world.undone == 1
    ticket = world.pay(ledger, range(PEOPLE))
    world.round(4, mines=True)
    world.told(ticket)
    assert world.received() == [1] * PEOPLE


def test_a_chain_that_went_back_and_grew_again_is_found_out(world: World) -> None:
    """It is as long as before, and other transactions have the nonces of the gifts."""
    world.paid_everybody()
    world.chain.set_back(4, waiting_again=False)
    for nonce in range(world.chain.count(), PEOPLE):
        other = SIGNER.sign(nonce=nonce, gas_price=9, gas=21_000, to=b"\x99" * 20, value=1, data=b"")
        world.chain.take(Transaction(other.raw))
        world.chain.mine()
    world.chain.mine()
    ledger = world.start()
    ticket = world.pay(ledger, range(PEOPLE))
    world.round(4, mines=True)
    world.told(ticket)
    assert world.received() == [1] * PEOPLE


def test_another_programs_nonce_that_is_gone_is_left_to_a_person(world: World) -> None:
    """Without it, nothing after it can be mined; and its owner may send it again."""
    ledger = world.start()
    ticket = world.pay(ledger, range(2))
    world.round(2, mines=True)
    world.told(ticket)
    other = SIGNER.sign(nonce=2, gas_price=9, gas=21_000, to=b"\x99" * 20, value=1, data=b"")
    world.chain.take(Transaction(other.raw))
    world.chain.mine()
    ledger = world.start()
    ticket = world.pay(ledger, range(PEOPLE))
    world.round(3, mines=True)
    world.told(ticket)
    world.chain.set_back(4, waiting_again=False)
    with pytest.raises(ReconcileError, match=r"nonce 2 of 0x.* was used by another program") as told:
        world.start()
    assert "--reconcile" in (told.value.hint or "")
    ledger = world.start(reconcile=True)
    ticket = world.pay(ledger, range(PEOPLE))
    world.round(4, mines=True)
    world.told(ticket)
    assert world.received() == [1] * PEOPLE


def test_an_outcome_without_a_mined_transaction_is_withdrawn(world: World) -> None:
    """Such as one that was saved just after the transaction was reopened."""
    ledger = world.start()
    world.pay(ledger, range(2))
    world.store.commit("gas", [Outcome(n, ok=True) for n in range(3)])
    world.start()
    assert world.store.done("gas", 0, 3) == {2}, "nothing was sent for person 2"


def test_of_many_blocks_the_newest_are_kept_and_ever_fewer_older_ones() -> None:
    trace = BlockTrace()
    for number in range(5000):
        assert trace.add(number, f"0x{number:064x}")
    assert not trace.add(4999, "0x00")
    few = trace.sparse()
    assert len(few) <= 20
    assert set(spread(4999)[:8]) <= few.keys()
    assert len(trace._hashes) <= 2 * KEPT + 20
    trace.cut(4990)
    assert trace.add(4999, "0x00")


def test_an_error_of_the_node_is_no_other_chain(world: World) -> None:
    world.paid_everybody()

    def refuses(calls: Sequence[Call]) -> None:
        if calls[0][0] == "eth_getBlockByNumber":
            raise RpcError("eth_getBlockByNumber", "node", {"code": -32603, "message": "busy"})

    world.rpc.before = refuses
    world.broadcaster._to_look_back = True
    world.round(30)
    world.rpc.before = lambda calls: None
    world.round()
    assert world.undone == 0


def test_one_that_makes_no_further_block_by_itself_is_noticed_too(world: World) -> None:
    """As anvil is after ``evm_revert``: it has as many blocks as before, and waits for the very transactions that it lost."""
    ledger = world.start()
    ticket = world.pay(ledger, range(PEOPLE))
    world.round()
    world.chain.mine(4)
    world.round()
    world.chain.set_back(1, waiting_again=False)
    world.chain.mine(0)
    for _ in range(12):
        if world.chain.count() in {one.nonce for one in world.chain.waiting.values()}:
            world.chain.mine()
        world.round(seconds=2)
    assert {outcome.person for outcome in ticket.each() if outcome.ok} == set(range(PEOPLE))
    assert world.received() == [1] * PEOPLE
    assert world.store.transaction_counts() == {"gas": {"mined": PEOPLE}}
