"""The ledger against a model, in whatever order things happen: nobody is paid twice, and who is told ok has been paid.

The model is the chain itself, in memory: whom its token has paid. Hypothesis draws what happens: sending, answers that are
lost, a node that forgets, reorganisations, a process that dies, another program that uses the same key.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cicscenario.chain import filler
from cicscenario.chain.abi import pack
from cicscenario.chain.broadcast import Broadcaster, Undo
from cicscenario.chain.contracts import TRANSFER
from cicscenario.chain.follower import Follower
from cicscenario.chain.intent import Intent
from cicscenario.chain.ledger import GasLimit, Ledger
from cicscenario.chain.proof import SentCall
from cicscenario.chain.review import NONCES, Recognised
from cicscenario.chain.rpc import Call
from cicscenario.chain.ticket import Ticket
from cicscenario.errors import ReconcileError, UnavailableError
from cicscenario.state.rows import LedgerRow
from cicscenario.state.store import Store
from tests.support.memory_chain import MEMORY_TOKEN, SIGNER, FakeRpc, MemoryChain, Transaction, no_answer

PEOPLE = 4
AMOUNT = 7
GAS = 60_000
WHO = st.sets(st.integers(0, PEOPLE - 1), min_size=1)


class PowerCutError(BaseException):
    """The process dies here."""


class Driven(Broadcaster):
    """Has no thread: the machine calls its rounds."""

    def start(self, signer: bytes, undo: Undo) -> None:
        self.resume(signer, undo)


def account(person: int) -> bytes:
    return b"\xaa" * 19 + bytes([person])


def gift(person: int) -> Intent:
    return Intent(person, MEMORY_TOKEN, pack(TRANSFER, account(person), AMOUNT))


def recognise(call: SentCall) -> Recognised:
    """Exactly the gifts of this run."""
    claims = [("gift", n) for n in range(PEOPLE) if call == SentCall(MEMORY_TOKEN, 0, gift(n).data)]
    return Recognised(tuple(claims))


class LedgerMachine(RuleBasedStateMachine):
    """A run, or none between two; what happens to the chain happens to it in either case."""

    kind: type[Ledger] = Ledger

    @initialize(confirmations=st.integers(0, 2))
    def begin(self, confirmations: int) -> None:
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self.store = Store(self.folder / "state.sqlite")
        self.store.set_meta({"lineage": "of the machine", NONCES: "0"})  # as the engine does before it sends anything
        self.chain = MemoryChain()
        self.confirmations = confirmations
        self.seconds = 0.0
        self.rpc = FakeRpc(self.chain)
        self.ledger: Ledger | None = None
        self.broadcaster: Driven
        self.tickets: list[Ticket] = []
        self.is_undone = False
        self.told: set[int] = set()  #: people whose payment was reported

    # --- the run ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.ledger is None)
    @rule(reconcile=st.booleans())
    def start(self, reconcile: bool) -> None:
        before = self._payments()
        try:
            self._start(reconcile)
        except ReconcileError:
            assert not reconcile
            assert self._payments() == before
        except UnavailableError:
            pass

    def _payments(self) -> list[bytes]:
        """A transaction that does nothing may be added for a nonce that a chain which went back has left free."""
        return [row.hash for row in self.store.transactions() if row.purpose != filler.PURPOSE]

    def _start(self, reconcile: bool) -> None:
        follower = Follower(self.rpc, [MEMORY_TOKEN], self.confirmations, lag=0, clock=lambda: self.seconds)
        self.broadcaster = Driven(
            self.store,
            self.rpc,
            follower,
            window=5 * GAS,
            patience=0,
            resend_after=1,
            lag=0,
            clock=lambda: self.seconds,
        )
        ledger = self.kind(
            self.store, self.rpc, SIGNER, self.broadcaster, 1, recognise=recognise, reconcile=reconcile, lag=0,
            clock=lambda: self.seconds,
        )  # fmt: skip
        ledger.__enter__()
        self.ledger = ledger
        self.is_undone = False

    @precondition(lambda self: self.ledger)
    @rule(people=WHO)
    def send(self, people: set[int]) -> None:
        assert self.ledger
        intents = [gift(n) for n in sorted(people)]
        try:
            self.tickets.append(self.ledger.begin("gift", intents, lambda intent: GAS))
        except UnavailableError:
            self._end()

    @precondition(lambda self: self.ledger)
    @rule(seconds=st.sampled_from([0, 2]))
    def look(self, seconds: int) -> None:
        """One round of the broadcaster, after a while."""
        self.seconds += seconds
        try:
            self.broadcaster.round()
        except ReconcileError:
            self._end()
        except PowerCutError:
            self._end()
        self._hear()

    def _hear(self) -> None:
        for ticket in [one for one in self.tickets if one.done]:
            self.tickets.remove(ticket)
            for outcome in ticket.wait():
                if outcome.ok and not self.is_undone:
                    self.told.add(outcome.person)

    @rule()
    def copy_the_state(self) -> None:
        """At any moment, also while a run is writing."""
        with closing(sqlite3.connect(self.folder / "copy.sqlite")) as copy:
            self.store._db.backup(copy)

    @precondition(lambda self: self.ledger is None and (self.folder / "copy.sqlite").exists())
    @rule()
    def put_the_copy_back(self) -> None:
        """What happened since is not in it."""
        self.store.close()
        for suffix in ("", "-wal", "-shm"):
            (self.folder / f"state.sqlite{suffix}").unlink(missing_ok=True)
        shutil.copy(self.folder / "copy.sqlite", self.folder / "state.sqlite")
        self.store = Store(self.folder / "state.sqlite")

    @precondition(lambda self: self.ledger)
    @rule()
    def die(self) -> None:
        """The process is killed; nothing is closed properly."""
        self._end()

    def _end(self) -> None:
        self.ledger = None
        self.tickets = []
        self.rpc.before = self.rpc.after = lambda calls: None

    # --- what happens to requests -------------------------------------------------------------------------------------

    @rule(before=st.booleans(), dies=st.booleans())
    def lose_the_next_answer(self, before: bool, dies: bool) -> None:
        """The next transactions that are sent get no answer, whether or not they arrived; the process may die of it."""

        def lose(calls: Sequence[Call]) -> None:
            if calls[0][0] == "eth_sendRawTransaction":
                self.rpc.before = self.rpc.after = lambda calls: None
                if dies and self.ledger:
                    raise PowerCutError
                no_answer(calls)

        if before:
            self.rpc.before = lose
        else:
            self.rpc.after = lose

    # --- what happens on the chain ------------------------------------------------------------------------------------

    @rule(most=st.integers(1, 5))
    def mine(self, most: int) -> None:
        self.chain.mine(most)

    @rule(token=st.sampled_from(["pays", "reverts", "answers false"]))
    def change_the_token(self, token: str) -> None:
        self.chain.token = token

    @precondition(lambda self: self.chain.waiting)
    @rule(data=st.data())
    def forget(self, data: Any) -> None:
        """The node loses a transaction that it has accepted."""
        del self.chain.waiting[data.draw(st.sampled_from(sorted(self.chain.waiting)))]

    @precondition(lambda self: self.confirmations)
    @rule(data=st.data())
    def reorganise(self, data: Any) -> None:
        """Other blocks take the place of the newest, never of those that are deep enough; some transactions wait again."""
        depth = data.draw(st.integers(1, self.confirmations))
        self.chain.set_back(depth, waiting_again=True)
        for most in data.draw(st.lists(st.integers(0, 2), min_size=depth, max_size=depth)):
            self.chain.mine(most)

    @rule(depth=st.integers(1, 6))
    def restore_from_a_copy(self, depth: int) -> None:
        """Deeper than any confirmations. It undoes what was reported, which the next run notices; nothing may be done twice."""
        self.chain.set_back(depth, waiting_again=False)
        self.told.clear()
        self.is_undone = self.ledger is not None

    @rule()
    def another_program_takes_a_nonce(self) -> None:
        self._take_a_nonce()

    def _take_a_nonce(self) -> None:
        signed = SIGNER.sign(
            nonce=self.chain.count(), gas_price=9, gas=21_000, to=b"\x99" * 20, value=1, data=b"%f" % self.seconds
        )
        self.chain.take(Transaction(signed.raw))
        self.chain.mine(1)

    # --- what must be so ----------------------------------------------------------------------------------------------

    @invariant()
    def nobody_is_paid_twice(self) -> None:
        if hasattr(self, "chain"):
            assert max(self.chain.paid().values(), default=0) <= 1

    @invariant()
    def who_is_told_ok_has_been_paid(self) -> None:
        if hasattr(self, "chain"):
            assert all(self.chain.paid()[account(person)] == 1 for person in self.told)

    def teardown(self) -> None:
        """Once nothing is in the way any more, everybody is paid, and told so."""
        if not hasattr(self, "store"):
            return
        try:
            self._end()
            self.chain.token = "pays"
            for _ in range(30):
                try:
                    self._everybody_in_one_run()
                    break
                except (ReconcileError, UnavailableError):
                    self._end()
                    self.chain.mine()
            assert self.told == set(range(PEOPLE))
            self.nobody_is_paid_twice()
            self.who_is_told_ok_has_been_paid()
        finally:
            self.store.close()
            shutil.rmtree(self.folder)

    def _everybody_in_one_run(self) -> None:
        self._start(reconcile=True)
        assert self.ledger
        self.told.clear()
        for _ in range(4):
            self.send(set(range(PEOPLE)))
            if self.ledger is None:
                raise UnavailableError("the run has ended")
            for _ in range(12):
                self.seconds += 40
                self.broadcaster.round()
                self.chain.mine()
                if not self.chain.blocks[-1].transactions and self._is_a_gap():
                    self._take_a_nonce()
            for _ in range(self.confirmations + 1):
                self.chain.mine()
                self.broadcaster.round()
            self._hear()
            if len(self.told) == PEOPLE:
                return
        raise UnavailableError("not everybody is paid")

    def _is_a_gap(self) -> bool:
        """What waits is held up by a nonce that nobody's transaction has: another program's, which was undone."""
        known = {row.nonce for row in self.store.transactions()}
        return self.chain.count() not in known and bool(self.chain.waiting)


SETTINGS = settings(
    max_examples=200,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
TestLedger = LedgerMachine.TestCase
TestLedger.settings = SETTINGS


class SendingFirst(Ledger):
    """Sends, then commits."""

    def _admit(self, rows: list[LedgerRow]) -> None:
        self._broadcaster._broadcast(rows)
        super()._admit(rows)


class TakingTimeOutsForFailures(Ledger):
    """What has not ended yet gets a new nonce."""

    def begin(self, purpose: str, intents: Sequence[Intent], gas: GasLimit) -> Ticket:
        live = self._store.live_transactions(purpose, [intent.person for intent in intents])
        late = [row for row in live.values() if row.status != "mined"]
        self._store.settle((row.hash, "failed", 0, "timed out") for row in late)
        self._store.failed_transactions = lambda purpose, people: []  # type: ignore[method-assign]
        return super().begin(purpose, intents, gas)


@pytest.mark.parametrize("broken", [SendingFirst, TakingTimeOutsForFailures])
def test_a_ledger_that_is_broken_is_found_out(broken: type[Ledger]) -> None:
    class Broken(LedgerMachine):
        kind = broken

    with pytest.raises(BaseException) as found:  # noqa: PT011 - whichever the machine meets first
        run_state_machine_as_test(
            Broken,
            settings=settings(
                SETTINGS,
                phases=[Phase.generate],
                max_examples=1000,
                database=None,
                derandomize=True,
                report_multiple_bugs=False,
            ),
        )
    assert not isinstance(found.value, KeyboardInterrupt)
