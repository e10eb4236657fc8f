"""A state that is older than the chain pays nobody again: what the signer sent since is looked up before anything is sent."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cicscenario.chain.abi import pack, to_hex
from cicscenario.chain.broadcast import Broadcaster
from cicscenario.chain.contracts import TRANSFER
from cicscenario.chain.follower import Follower
from cicscenario.chain.intent import Intent
from cicscenario.chain.ledger import Ledger
from cicscenario.chain.lookup import NonceLookup
from cicscenario.chain.proof import SentCall
from cicscenario.chain.review import NONCES, Recognised
from cicscenario.errors import ReconcileError
from cicscenario.state.store import Store
from tests.support.memory_chain import MEMORY_TOKEN, SIGNER, FakeRpc, MemoryChain, Transaction

PEOPLE = 6
GAS = 60_000


def account(person: int) -> bytes:
    return b"\xaa" * 19 + bytes([person])


def intent(purpose: str, person: int) -> Intent:
    if purpose == "gift":
        return Intent(person, MEMORY_TOKEN, pack(TRANSFER, account(person), 7))
    return Intent(person, account(person), value=3)


def recognise(call: SentCall) -> Recognised:
    """Exactly what this run sends; nothing is known of the account 0xdd…"""
    wanted = {(purpose, n): intent(purpose, n) for purpose in ("gift", "gas") for n in range(PEOPLE)}
    claims = [key for key, one in wanted.items() if call == SentCall(one.to, one.value, one.data)]
    doubt = "it pays an account that may be of this run" if call.to == b"\xdd" * 20 else None
    return Recognised(tuple(claims), doubt)


class World:
    """A chain, and a run directory with a state that may be copied away and put back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chain = MemoryChain()
        self.rpc = FakeRpc(self.chain)
        self.store = Store(folder / "state.sqlite")
        self.store.set_meta({"lineage": "one", NONCES: "0"})
        self.confirmations = 0

    def ledger(self, *, reconcile: bool = False) -> Ledger:
        follower = Follower(self.rpc, [MEMORY_TOKEN], self.confirmations)
        self.broadcaster = Broadcaster(self.store, self.rpc, follower, window=9 * GAS, patience=5)
        self.broadcaster.start = self.broadcaster.resume  # type: ignore[method-assign] - its rounds are called here
        return Ledger(
            self.store, self.rpc, SIGNER, self.broadcaster, 1, recognise=recognise, reconcile=reconcile, lag=0
        )

    def pay(self, purpose: str, people: range, *, mines: bool = True, reconcile: bool = False) -> None:
        ledger = self.ledger(reconcile=reconcile).__enter__()
        ledger.begin(purpose, [intent(purpose, n) for n in people], lambda one: GAS if one.data else 21_000)
        for _ in range(12):
            self.broadcaster.round()
            if mines:
                self.chain.mine(2)

    def copy(self, name: str) -> None:
        self.store.close()  # as when no run is active
        shutil.copy(self.folder / "state.sqlite", self.folder / name)
        self.store = Store(self.folder / "state.sqlite")

    def put_back(self, name: str) -> None:
        self.store.close()
        shutil.copy(self.folder / name, self.folder / "state.sqlite")
        self.store = Store(self.folder / "state.sqlite")

    def received(self) -> dict[str, list[int]]:
        """How often each person was paid, by purpose."""
        to = [one.message for _, one in self.chain.mined()]
        gas = [sum(message.to == account(n) for message in to) for n in range(PEOPLE)]
        return {"gift": [self.chain.paid()[account(n)] for n in range(PEOPLE)], "gas": gas}

    def other(self, to: bytes = b"\x99" * 20) -> Transaction:
        """Another program sends something with the signer's key."""
        signed = SIGNER.sign(nonce=self.chain.count(), gas_price=9, gas=21_000, to=to, value=1, data=b"")
        one = Transaction(signed.raw)
        assert self.chain.take(one) is None
        self.chain.mine(1)
        return one


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


STAGES: dict[str, Callable[[World], None]] = {
    "nobody": lambda world: None,
    "gas of some": lambda world: world.pay("gas", range(3)),
    "gas": lambda world: world.pay("gas", range(PEOPLE)),
    "gifts of some": lambda world: world.pay("gift", range(2)),
    "gifts of some that wait": lambda world: world.pay("gift", range(4), mines=False),
    "all": lambda world: world.pay("gift", range(PEOPLE)),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("old_state", ["kept", "forgotten"])
def test_a_copy_of_any_stage_pays_nobody_again(world: World, stage: str, old_state: str) -> None:
    if old_state == "forgotten":

        def refuses(address: str, block: str) -> object:
            return count(address, block) if block in ("latest", "pending") else ValueError("missing trie node: pruned")

        count = world.rpc._eth_getTransactionCount
        world.rpc._eth_getTransactionCount = refuses  # type: ignore[method-assign, assignment]
    for name, what in STAGES.items():
        what(world)
        world.copy(name)
    before = world.received()
    assert before == {"gift": [1] * PEOPLE, "gas": [1] * PEOPLE}
    world.put_back(stage)
    for purpose in ("gas", "gift"):
        world.pay(purpose, range(PEOPLE))
    assert world.received() == before
    counts = world.store.transaction_counts()
    assert {purpose: counts[purpose].get("mined") for purpose in counts} == {"gift": PEOPLE, "gas": PEOPLE}
    assert all(world.chain.count() > row.nonce for row in world.store.transactions())


def test_what_is_adopted_has_its_own_bytes(world: World) -> None:
    world.pay("gas", range(1))
    world.copy("early")
    world.pay("gift", range(PEOPLE))
    sent = {row.hash: row for row in world.store.transactions()}
    world.put_back("early")
    world.pay("gift", range(PEOPLE))
    adopted = {row.hash: row for row in world.store.transactions()}
    assert {found: row.raw for found, row in adopted.items()} == {found: row.raw for found, row in sent.items()}
    assert [row.detail for row in adopted.values()][
        -1
    ] == f"found on the chain, in block {list(sent.values())[-1].block}"


def test_a_gift_that_failed_is_adopted_as_a_failure_and_sent_again(world: World) -> None:
    world.pay("gas", range(1))
    world.copy("early")
    world.chain.token = "reverts"
    world.pay("gift", range(2))
    world.chain.token = "pays"
    world.put_back("early")
    world.pay("gift", range(2))
    assert world.received()["gift"] == [1, 1, 0, 0, 0, 0]
    assert world.store.transaction_counts()["gift"] == {"failed": 2, "mined": 2}


def test_two_copies_of_one_state_that_ran_on_two_machines_pay_once(world: World) -> None:
    """Both used the same nonces for different people; each learns of what the other one has done."""
    world.pay("gas", range(1))
    world.copy("here")
    world.pay("gift", range(4))
    world.copy("there")
    world.put_back("here")
    rows = [world.ledger()._sign("gift", intent("gift", n), 1 + at, GAS) for at, n in enumerate((5, 4, 3, 2, 1, 0))]
    world.store.add_transactions(rows)  # signed, and killed before it sent any of them
    world.pay("gift", range(PEOPLE))
    assert world.received()["gift"] == [1] * PEOPLE


def test_what_another_program_sent_is_left_alone(world: World) -> None:
    world.pay("gas", range(2))
    world.other()
    world.pay("gas", range(4))
    assert world.received()["gas"] == [1, 1, 1, 1, 0, 0]
    assert world.store.transaction_counts() == {"gas": {"mined": 4}}


def test_a_nonce_that_another_program_took_is_found_out_and_the_person_is_paid(world: World) -> None:
    world.pay("gas", range(1))
    world.store.add_transactions([world.ledger()._sign("gas", intent("gas", 1), 1, 21_000)])
    other = world.other()
    world.pay("gas", range(2))
    assert world.received()["gas"] == [1, 1, 0, 0, 0, 0]
    failed = next(row for row in world.store.transactions() if row.status == "failed")
    assert failed.detail == f"nonce 1 was used by {other.hash}"


def test_what_cannot_be_told_stops_the_run_before_anything_is_sent(world: World) -> None:
    world.pay("gas", range(1))
    other = world.other(to=b"\xdd" * 20)
    before = list(world.store.transactions()), world.chain.count()
    with pytest.raises(ReconcileError) as refused:
        world.pay("gas", range(2))
    told = f"{refused.value.message} {refused.value.hint}"
    assert f"nonce 1, {other.hash}" in told
    assert "it pays an account that may be of this run" in told
    assert "nothing was sent" in told
    assert "--fresh" not in told
    assert (list(world.store.transactions()), world.chain.count()) == before
    world.pay("gas", range(2), reconcile=True)
    assert world.received()["gas"] == [1, 1, 0, 0, 0, 0]
    world.pay("gas", range(3))  # and it stays decided
    assert world.received()["gas"] == [1, 1, 1, 0, 0, 0]


def test_what_is_not_found_stops_the_run_before_anything_is_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.pay("gas", range(1))
    world.copy("early")
    world.pay("gas", range(PEOPLE))
    world.put_back("early")
    monkeypatch.setattr(NonceLookup, "find", lambda *given: {})
    with pytest.raises(ReconcileError, match=r"\(nonce 1 to 5\), and what they are could not be found out"):
        world.pay("gas", range(PEOPLE))
    assert world.received()["gas"] == [1] * PEOPLE


def test_what_waits_in_the_node_is_not_sent_beside(world: World) -> None:
    """The newer state's transactions are pending: the older one must not sign others for the same people."""
    world.pay("gas", range(1))
    world.copy("early")
    world.pay("gas", range(3), mines=False)
    assert world.chain.count() == 1
    world.put_back("early")
    with pytest.raises(ReconcileError, match="not mined yet"):
        world.pay("gas", range(3))
    world.chain.mine()
    world.pay("gas", range(3))
    assert world.received()["gas"] == [1, 1, 1, 0, 0, 0]


def test_a_directory_that_was_used_before_is_no_new_one(world: World) -> None:
    """Its state is gone, and with it every sign of what was sent."""
    world.pay("gift", range(PEOPLE))
    world.store.close()
    for path in world.folder.glob("state.sqlite*"):
        path.unlink()
    world.store = Store(world.folder / "state.sqlite")
    ledger = world.ledger()
    ledger._review._used = True
    ledger.review()
    assert world.store.transaction_counts() == {"gift": {"mined": PEOPLE}}


def test_an_adopted_transaction_waits_until_it_is_deep_enough(world: World) -> None:
    world.pay("gas", range(1))
    world.copy("early")
    world.confirmations = 3
    world.pay("gas", range(2), mines=False)
    world.chain.mine(1)
    world.put_back("early")
    with pytest.raises(ReconcileError, match="not mined yet"):
        world.pay("gas", range(2))
    for _ in range(3):
        world.chain.mine(1)
    world.pay("gas", range(2))
    assert world.received()["gas"] == [1, 1, 0, 0, 0, 0]


def test_each_nonce_is_found_wherever_its_block_is(world: World) -> None:
    for number in range(40):
        world.other(to=bytes([number]) * 20)
        for _ in range(number % 3):
            world.chain.mine()
    height = len(world.chain.blocks) - 1
    found = NonceLookup(world.rpc, SIGNER.address).find({0, 7, 20, 21, 39}, height)
    assert {nonce: one.call.to[0] for nonce, one in found.items()} == {n: n for n in (0, 7, 20, 21, 39)}
    by_hash = {to_hex(one.hash): one.block for one in found.values()}
    assert by_hash == {t.hash: b.number for b, t in world.chain.mined() if t.hash in by_hash}
