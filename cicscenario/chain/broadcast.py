"""Sends signed transactions in nonce order, waits until they have ended, and sends again those that a node lost.

A node that accepted a transaction may still lose it when a block is full (seen with anvil 1.7). So the gas in flight is
limited to a share of the block gas limit, and a transaction that does not end is sent again, byte for byte. One that got
no answer, or was refused for the moment, is sent again soon: the same bytes cannot be carried out twice.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cicscenario.boundaries import Boundary
from cicscenario.chain.abi import to_hex
from cicscenario.chain.adoption import written
from cicscenario.chain.answers import unless_given_up
from cicscenario.chain.conflicts import contradiction, no_hash, nonce_taken, not_accepted, not_looked_back, stalled
from cicscenario.chain.fees import Fees
from cicscenario.chain.follower import End, Follower
from cicscenario.chain.refusal import Refusal, is_accepted, refusal
from cicscenario.chain.rpc import Rpc, RpcError, UnansweredError
from cicscenario.chain.stranded import release
from cicscenario.chain.ticket import Ticket
from cicscenario.chain.unaccepted import Unaccepted
from cicscenario.errors import CicScenarioError, UnavailableError
from cicscenario.retry import pause
from cicscenario.state.rows import LedgerRow, Outcome
from cicscenario.state.store import Store
from cicscenario.transport.cancellation import StopEvent

_SEND = Boundary("chain.send")  # transactions that are in the ledger
_POLL = 0.05  # seconds between rounds without progress
_STOP_POLL = 0.2  # seconds between checks of ``stopping`` during other waits
_RESEND_AFTER = 3.0  # seconds without progress before transactions are sent again; doubles each time up to
_RESEND_AT_MOST = 30.0
_LAG = 10.0  # seconds for nodes that lag behind others at the same address to catch up

Undo = Callable[[int], None]  #: reopens transactions that ended after a block


class Broadcaster:
    """Sends transactions and watches them, in a thread of its own.

    ``window`` is the gas that may be in flight. ``patience`` is the stall timer: the seconds without progress, with
    transactions in flight, after which waiting ends with an error. ``lag`` is how long (seconds) a nonce must be used by
    another transaction until that is believed, since a node may lag. ``clock`` gives seconds. The thread ends when
    ``stopping`` is set, by ``stop`` or from outside; transactions in flight stay open in the ledger. ``rpc`` needs the same
    event, so that its requests end too.
    """

    def __init__(
        self,
        store: Store,
        rpc: Rpc,
        follower: Follower,
        *,
        window: int,
        batch: int = 100,
        patience: float = 120,
        resend_after: float = _RESEND_AFTER,
        lag: float = _LAG,
        fees: Fees | None = None,
        stopping: StopEvent | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self.fees = fees
        self._rpc = rpc
        self.follower = follower
        self._window = window
        self._batch = batch
        self._patience = patience
        self._resend_first = self._resend_after = resend_after
        self._lag = lag
        self._stopping = stopping or StopEvent()
        self._clock = clock
        self._mutex = threading.Condition()
        self._signer = b""
        self._undo: Undo = lambda block: None
        self._undone = False
        self._to_look_back = False
        self._waiting: dict[bytes, LedgerRow] = {}  # in nonce order
        self._in_flight: dict[bytes, LedgerRow] = {}
        self._older: dict[bytes, LedgerRow] = {}  # those that were replaced and may be mined nevertheless
        self._unaccepted = Unaccepted(clock)
        self._accepted: list[bytes] = []  # by the node since the last round, which the state does not say yet
        self._tickets: dict[bytes, Ticket] = {}
        self._fatal: CicScenarioError | None = None
        self.last_error: CicScenarioError | None = None
        self.last_progress = self._resent = clock()
        self._thread = threading.Thread(target=self._run, name="broadcaster", daemon=True)

    def start(self, signer: bytes, undo: Undo) -> None:
        """Resumes what an earlier run left open, and starts the thread."""
        self.resume(signer, undo)
        self._thread.start()

    def resume(self, signer: bytes, undo: Undo) -> None:
        """Queues the transactions that an earlier run left open, in nonce order; ``Review`` has looked them up before.

        Those of ``signer``, the run's own, come before those of others. ``undo`` is called when blocks that were read are
        gone, with the number of the newest that is left.
        """
        self._signer, self._undo = signer, undo
        outstanding = self._store.all_outstanding(signer)
        self._older = {row.hash: row for row in self._store.replaced_by(outstanding)}
        self.submit(outstanding)

    def recheck_failed(self, failed: Sequence[LedgerRow]) -> None:
        """Looks up failed transactions again, since after a reorganisation they may have been mined.

        A node that does not know one that could still be mined may lag: after ``patience`` seconds, UnavailableError is raised.
        """
        began = self._clock()
        while unknown := self._still_unknown(failed):
            waited = self._clock() - began
            if waited >= self._patience:
                raise UnavailableError(
                    f"{self._rpc.name} does not know transaction {to_hex(unknown[0].hash)}, which had failed, and did not"
                    f" learn of it in {waited:.0f} seconds: it lags behind, or its chain was set back",
                    hint="run the same command again when the node has caught up; until then no new transaction is sent",
                )
            pause(min(_STOP_POLL, self._patience), self._stopping)

    def _still_unknown(self, failed: Sequence[LedgerRow]) -> list[LedgerRow]:
        """Records those that succeeded after all; gives those that the node does not know, although they could still be mined."""
        ends = self.follower.receipts(failed)
        self._settle(list({(end.row.purpose, end.row.person): end for end in ends if end.ok}.values()))
        known = {end.row.hash for end in ends}
        unknown = [row for row in failed if row.hash not in known]
        taken = {row.hash for row in self.follower.taken(unknown)}
        return [row for row in unknown if row.hash not in taken]

    def stop(self) -> None:
        """Ends the thread; transactions in flight stay open in the ledger."""
        with self._mutex:
            self._stopping.set()
            self._mutex.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def submit(self, rows: Iterable[LedgerRow]) -> None:
        """Takes committed transactions, in nonce order."""
        with self._mutex:
            self._waiting |= {row.hash: row for row in rows if row.hash not in self._in_flight}
            self._mutex.notify_all()

    def finish(self) -> bool:
        """Waits until all transactions have ended, and the blocks that were read are still there.

        Returns whether some of these were gone since the last call.
        """
        while True:
            with self._mutex:
                self._to_look_back = True
                self._mutex.notify_all()
                while self._to_look_back and not (self._fatal or self._stopping.is_set()):
                    self._mutex.wait(_STOP_POLL)
            outstanding = self._store.all_outstanding(self._signer)
            self.expect(outstanding).wait()
            if self._fatal:
                raise self._fatal
            if not outstanding or self._stopping.is_set():
                undone, self._undone = self._undone, False
                return undone

    def expect(self, rows: Sequence[LedgerRow], ended: Iterable[Outcome] = ()) -> Ticket:
        """A ticket for transactions that are in flight or will be submitted next; ``ended`` are other people's outcomes."""
        ticket = Ticket((row.hash for row in rows), ended, self._stopping)
        with self._mutex:
            if self._fatal:
                ticket.fail(self._fatal)
            self._tickets.update((row.hash, ticket) for row in rows)
            # One that ended after the caller read its state would otherwise be waited for without end.
            for row in self._store.ended([row.hash for row in rows]):
                self._hand_out(row.hash, Outcome(row.person, row.status == "mined", row.detail))
        return ticket

    def _hand_out(self, row_hash: bytes, outcome: Outcome) -> None:
        if ticket := self._tickets.pop(row_hash, None):
            ticket.end(row_hash, outcome)

    # --- the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._idle_until_work():
                moved = self.round()
                self.raise_if_stalled(moved)
                if not moved:
                    pause(_POLL, self._stopping)
        except CicScenarioError as error:
            self._fail_tickets(error)
        except Exception as error:  # a bug: those who wait for tickets must get an error
            self._fail_tickets(CicScenarioError(f"internal error in the broadcaster: {error!r}"))
            raise

    def round(self) -> bool:
        """Sends what fits into the window, reads the next blocks, and repeats transactions that are overdue.

        True when there was progress. If the node does not answer or refuses, the next round tries again; see ``unless_given_up``.
        """
        try:
            moved = self._send_some()
            moved |= self._settle(self.follower.ends(self._in_flight | self._older))
            self._mark_accepted()
            self._look_back()
            moved |= self._reopen()
            if not moved:
                self._send_again()
            if rows := self._unaccepted.due(self._batch):
                self._broadcast(rows)
        except (UnavailableError, RpcError) as error:
            self.last_error = unless_given_up(error)
            return False
        return moved

    def _look_back(self) -> None:
        if self._to_look_back and self.follower.look_back():
            with self._mutex:
                self._to_look_back = False
                self._mutex.notify_all()

    def _reopen(self) -> bool:
        """Takes back what ended in blocks that are gone, and sends all that is outstanding again; after an error, once more."""
        if (block := self.follower.undone) is None:
            return False
        self._undo(block)
        with self._mutex:
            self._undone = True
            self._in_flight.clear()
            self._unaccepted = Unaccepted(self._clock)
            self._waiting = {row.hash: row for row in self._store.all_outstanding(self._signer)}
        self.follower.taken_back()
        return True

    def raise_if_stalled(self, moved: bool) -> None:
        """The stall timer: after ``patience`` seconds without progress, UnavailableError; ReconcileError for a low gas price."""
        now = self._clock()
        if moved:
            self.last_progress = self._resent = now
            self._resend_after = self._resend_first
            self.last_error = None
            if self.fees:
                self.fees.moved()
        elif (self._in_flight or self._to_look_back) and now - self.last_progress > self._patience:
            raise self._stalled(now - self.last_progress)

    def _stalled(self, seconds: float) -> CicScenarioError:
        if self.fees and self.fees.low:
            return self.fees.low.error(self._rpc.name, seconds)
        rows, follower = list(self._in_flight.values()), self.follower
        if not rows:
            return not_looked_back(self._rpc.name, seconds, follower.block, self.last_error)
        return stalled(self._rpc.name, rows, seconds, follower.block, follower.confirmations, self.last_error)

    def _send_again(self) -> None:
        now = self._clock()
        if self._in_flight and now - self._resent > self._resend_after and not self._unaccepted.is_pausing:
            self._resent, self._resend_after = now, min(2 * self._resend_after, _RESEND_AT_MOST)
            self.follower.look_back()  # a chain that went back may make no further block until these are sent again
            self._raise_prices()
            rows = list(self._in_flight.values())
            self._broadcast(rows[: self._batch])
            if rows and not self._unaccepted and release(self._rpc, rows):
                self._broadcast(rows)

    def _raise_prices(self) -> None:
        """Replaces what waits with too low a price, where that is allowed; durably, before anything of it is sent."""
        with self._mutex:
            rows = sorted((self._in_flight | self._waiting).values(), key=lambda row: row.nonce)
        if self.fees is None or not (new := self.fees.raised(rows)):
            return
        self._store.replace_transactions(new, new.values())
        with self._mutex:
            waiting = sorted((self._in_flight | self._waiting).values(), key=lambda row: row.nonce)
            self._in_flight = {}
            self._unaccepted = Unaccepted(self._clock)
            self._waiting = {row.hash: row for row in (new.get(old.hash, old) for old in waiting)}
            self._older |= {row.hash: row for row in rows if row.hash in new}
            for old in self._tickets.keys() & new.keys():
                self._tickets[new[old].hash] = ticket = self._tickets.pop(old)
                ticket.swap(old, new[old].hash)

    def _idle_until_work(self) -> bool:
        """Waits until there are transactions to send or to watch; False when the thread must end."""
        with self._mutex:
            while not (self._stopping.is_set() or self._waiting or self._in_flight or self._to_look_back):
                self._mutex.wait(_STOP_POLL)
                self.last_progress = self._resent = self._clock()
            return not self._stopping.is_set()

    def _fail_tickets(self, error: CicScenarioError) -> None:
        with self._mutex:
            self._fatal = error
            for ticket in self._tickets.values():
                ticket.fail(error)

    def _send_some(self) -> bool:
        """Later nonces are of no use to the node before it has accepted the earlier ones."""
        if rows := [] if self._unaccepted else self._next_rows():
            self._broadcast(rows)
        return bool(rows)

    def _next_rows(self) -> list[LedgerRow]:
        """The next transactions that fit into the window, but at least one if none is in flight."""
        used = sum(row.gas for row in self._in_flight.values())
        rows: list[LedgerRow] = []
        with self._mutex:
            for row in itertools.islice(self._waiting.values(), self._batch):
                used += row.gas
                if used > self._window and (rows or self._in_flight):
                    break
                rows.append(row)
            for row in rows:
                del self._waiting[row.hash]
        self._in_flight.update((row.hash, row) for row in rows)
        return rows

    def _broadcast(self, rows: Sequence[LedgerRow]) -> None:
        try:
            with _SEND:
                answers = self._rpc.results([("eth_sendRawTransaction", [to_hex(row.raw)]) for row in rows])
        except UnansweredError as error:
            self._unaccepted.add(rows, error.retry_after)
            raise
        accepted = [row for row, answer in zip(rows, answers, strict=True) if is_accepted(row.hash, answer)]
        self._unaccepted.remove(row.hash for row in accepted)
        self._accepted += [row.hash for row in accepted if row.status == "signed"]
        known = {row.hash for row in accepted}
        if doubtful := [(row, answer) for row, answer in zip(rows, answers, strict=True) if row.hash not in known]:
            self._unaccepted.add([row for row, _ in doubtful])
            self._handle_refused(doubtful)

    def _mark_accepted(self) -> None:
        """Writes down what the node has taken and not mined at once. What has ended already is written only as that."""
        if waiting := [taken for taken in self._accepted if taken in self._in_flight]:
            self._store.mark_broadcast(waiting)
        self._accepted = []

    def _handle_refused(self, doubtful: Sequence[tuple[LedgerRow, Any]]) -> None:
        """Finds out what refused transactions came to. A refusal is not their end: they may have been mined before.

        A node with fewer blocks than were read may refuse what it accepts when it has caught up.
        """
        if self.follower.is_behind:
            self.last_error = next((answer for _, answer in doubtful if isinstance(answer, RpcError)), self.last_error)
            return
        used: list[tuple[LedgerRow, RpcError]] = []
        for row, answer in doubtful:
            if not isinstance(answer, RpcError):
                self.last_error = no_hash(self._rpc.name, row, answer)
                continue
            match refusal(answer):
                case Refusal.NONCE_USED:
                    used.append((row, answer))
                case Refusal.NONCE_PENDING:
                    raise nonce_taken([row], answer.text)
                case Refusal.FEE_TOO_LOW:
                    self.last_error = answer
                    if self.fees:
                        self.fees.refused = answer.text
                case Refusal.PERMANENT:
                    raise not_accepted(self._rpc.name, row, answer.text)
                case _:
                    self.last_error = answer
        if used:
            self._look_up_used(used)

    def _look_up_used(self, used: Sequence[tuple[LedgerRow, RpcError]]) -> None:
        """Their nonces are used: by themselves, which a node that lags may learn later; or else by others."""
        older = [row for row in self._older.values() if row.place in {one.place for one, _ in used}]
        self._settle(self.follower.receipts([*(row for row, _ in used), *older]))
        late = [row for row, _ in used if self._unaccepted.has(row.hash, seconds=self._lag)]
        if late and (taken := self.follower.taken(late)):
            raise nonce_taken(taken)
        if late and (free := self.follower.free(late)):
            raise contradiction(self._rpc.name, free[0], used[0][1].text)

    def _settle(self, ends: Sequence[End]) -> bool:
        if not ends:
            return False
        with self._mutex:
            self._store.settle(map(written, ends), self.follower.trace.sparse())
            for end in ends:
                for found in self._same_nonce(end.row):
                    for rows in (self._in_flight, self._waiting, self._older):
                        rows.pop(found, None)
                    if self._unaccepted:
                        self._unaccepted.remove([found])
                    self._hand_out(found, Outcome(end.row.person, end.ok, end.detail))
        return True

    def _same_nonce(self, row: LedgerRow) -> list[bytes]:
        """The transaction, and those that it replaced or that replaced it."""
        if not self._older:
            return [row.hash]
        rows = (*self._in_flight.values(), *self._waiting.values(), *self._older.values())
        return [row.hash, *(one.hash for one in rows if one.place == row.place and one.hash != row.hash)]
