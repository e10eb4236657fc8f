"""Sends signed transactions in nonce order, waits until they have ended, and sends again those that a node lost.

A node that accepted a transaction may still lose it when a block is full (seen with anvil 1.7). So the gas in flight is
limited to a share of the block gas limit, and a transaction that does not end is sent again, byte for byte.
"""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from cicscenario.chain.abi import to_hex
from cicscenario.chain.follower import End, Follower
from cicscenario.chain.refusal import Refusal, refusal
from cicscenario.chain.rpc import Rpc, RpcError
from cicscenario.errors import (
    CicScenarioError,
    InterruptedRunError,
    ReconcileError,
    StepFailedError,
    UnavailableError,
)
from cicscenario.retry import pause
from cicscenario.state.rows import LedgerRow, Outcome
from cicscenario.state.store import Store
from cicscenario.transport import StopEvent

_POLL = 0.05  # seconds between rounds without progress
_STOP_POLL = 0.2  # seconds between checks of ``stopping`` during other waits
_RESEND_AFTER = 3.0  # seconds without progress before transactions are sent again; doubles each time up to
_RESEND_AT_MOST = 30.0


class Ticket:
    """Waits for the ends of some transactions. ``ended`` are the outcomes that are known already."""

    def __init__(
        self, hashes: Iterable[bytes], ended: Iterable[Outcome] = (), stopping: threading.Event | None = None
    ) -> None:
        self._open = set(hashes)
        self._stopping = stopping
        self._outcomes = list(ended)
        self._error: CicScenarioError | None = None
        self._done = threading.Event()
        if not self._open:
            self._done.set()

    @property
    def done(self) -> bool:
        """Whether ``wait`` returns, or raises, at once."""
        return self._done.is_set()

    def end(self, row_hash: bytes, outcome: Outcome) -> None:
        self._open.discard(row_hash)
        self._outcomes.append(outcome)
        if not self._open:
            self._done.set()

    def fail(self, error: CicScenarioError) -> None:
        self._error = error
        self._done.set()

    def each(self) -> Iterator[Outcome]:
        """One outcome for each person, as they become known. Raises the error that ended the broadcaster, if there was one,
        and InterruptedRunError soon after ``stopping`` is set.
        """
        given = 0
        ended = False
        while not ended:
            ended = self._done.wait(_STOP_POLL)
            known = self._outcomes[given:]
            given += len(known)
            yield from known
            if not ended and self._stopping is not None and self._stopping.is_set():
                raise InterruptedRunError(
                    "stopped while transactions are in flight; they are in the ledger, and the next run looks them up"
                )
        if self._error:
            raise self._error

    def wait(self) -> list[Outcome]:
        """The outcomes of ``each``, when all are known."""
        return list(self.each())


class Broadcaster:
    """Sends transactions and watches them, in a thread of its own.

    ``window`` is the gas that may be in flight. ``patience`` is the stall timer: the seconds without progress, with
    transactions in flight, after which waiting ends with an error. ``clock`` gives seconds. The thread ends when
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
        stopping: StopEvent | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._rpc = rpc
        self._follower = follower
        self._window = window
        self._batch = batch
        self._patience = patience
        self._resend_first = self._resend_after = resend_after
        self._stopping = stopping or StopEvent()
        self._clock = clock
        self._mutex = threading.Condition()
        self._waiting: deque[LedgerRow] = deque()
        self._in_flight: dict[bytes, LedgerRow] = {}
        self._tickets: dict[bytes, Ticket] = {}
        self._fatal: CicScenarioError | None = None
        self._last_error: CicScenarioError | None = None
        self._last_progress = self._resent = clock()
        self._thread = threading.Thread(target=self._run, name="broadcaster", daemon=True)

    def start(self, signer: bytes, *, reconcile: bool = False) -> None:
        """Resumes what an earlier run left open, and starts the thread; see ``resume``."""
        self.resume(signer, reconcile=reconcile)
        self._thread.start()

    def resume(self, signer: bytes, *, reconcile: bool = False) -> None:
        """Records the ends of transactions that an earlier run left open, and queues the others in nonce order.

        Raises ReconcileError when other transactions used the nonces of some; with ``reconcile`` those count as failed
        instead.
        """
        outstanding = self._store.outstanding(signer)
        for start in range(0, len(outstanding), self._batch):
            self._settle(self._follower.receipts(outstanding[start : start + self._batch]))
        left = self._store.outstanding(signer)
        if taken := self._follower.taken(left):
            if not reconcile:
                raise _nonce_taken(taken)
            self._settle([End(row, False, self._follower.block, f"nonce {row.nonce} was taken") for row in taken])
            left = self._store.outstanding(signer)
        self._waiting.extend(left)

    def recheck_failed(self, failed: Sequence[LedgerRow]) -> None:
        """Looks up failed transactions of one purpose again, since after a reorganisation they may have been mined.

        If the node does not know one that could still be mined, it may lag behind. Then it is asked again for
        ``patience`` seconds, and UnavailableError is raised.
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
        ends = self._follower.receipts(failed)
        self._settle(list({end.row.person: end for end in ends if end.ok}.values()))
        known = {end.row.hash for end in ends}
        unknown = [row for row in failed if row.hash not in known]
        taken = {row.hash for row in self._follower.taken(unknown)}
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
            self._waiting.extend(rows)
            self._mutex.notify_all()

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
        ticket = self._tickets.pop(row_hash, None)
        if ticket:
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

        True when there was progress. If the node does not answer or refuses, there is none, and the next round tries again.
        """
        try:
            moved = self._send_some()
            moved |= self._settle(self._follower.ends(self._in_flight))
            if not moved:
                self._send_again()
        except (UnavailableError, RpcError) as error:
            self._last_error = error
            return False
        return moved

    def raise_if_stalled(self, moved: bool) -> None:
        """The stall timer: raises UnavailableError after ``patience`` seconds without progress."""
        now = self._clock()
        if moved:
            self._last_progress = self._resent = now
            self._resend_after = self._resend_first
            self._last_error = None
        elif self._in_flight and now - self._last_progress > self._patience:
            raise self._stalled(now - self._last_progress)

    def _send_again(self) -> None:
        now = self._clock()
        if self._in_flight and now - self._resent > self._resend_after:
            self._resent, self._resend_after = now, min(2 * self._resend_after, _RESEND_AT_MOST)
            self._broadcast(list(itertools.islice(self._in_flight.values(), self._batch)))

    def _idle_until_work(self) -> bool:
        """Waits until there are transactions to send or to watch; False when the thread must end."""
        with self._mutex:
            while not (self._stopping.is_set() or self._waiting or self._in_flight):
                self._mutex.wait(_STOP_POLL)
                self._last_progress = self._resent = self._clock()
            return not self._stopping.is_set()

    def _fail_tickets(self, error: CicScenarioError) -> None:
        with self._mutex:
            self._fatal = error
            for ticket in self._tickets.values():
                ticket.fail(error)

    def _send_some(self) -> bool:
        rows = self._next_rows()
        if rows:
            self._broadcast(rows)
        return bool(rows)

    def _next_rows(self) -> list[LedgerRow]:
        """The next transactions that fit into the window, but at least one if none is in flight."""
        used = sum(row.gas for row in self._in_flight.values())
        rows: list[LedgerRow] = []
        with self._mutex:
            while self._waiting and len(rows) < self._batch:
                used += self._waiting[0].gas
                if used > self._window and (rows or self._in_flight):
                    break
                rows.append(self._waiting.popleft())
        self._in_flight.update((row.hash, row) for row in rows)
        return rows

    def _broadcast(self, rows: Sequence[LedgerRow]) -> None:
        answers = self._rpc.results([("eth_sendRawTransaction", [to_hex(row.raw)]) for row in rows])
        doubtful = [
            (row, answer)
            for row, answer in zip(rows, answers, strict=True)
            if isinstance(answer, RpcError) and refusal(answer) is not Refusal.KNOWN
        ]
        refused = {row.hash for row, _ in doubtful}
        self._store.mark_broadcast(row.hash for row in rows if row.status == "signed" and row.hash not in refused)
        if doubtful:
            self._handle_refused(doubtful)

    def _handle_refused(self, doubtful: Sequence[tuple[LedgerRow, RpcError]]) -> None:
        """Finds out what refused transactions came to. A refusal is not their end: they may have been mined before."""
        used: list[LedgerRow] = []
        for row, error in doubtful:
            match refusal(error):
                case Refusal.NONCE_USED:
                    used.append(row)
                case Refusal.NONCE_PENDING:
                    raise _nonce_taken([row], error.text)
                case Refusal.PERMANENT:
                    raise StepFailedError(
                        f"{self._rpc.name} will not accept {row.purpose} of person {row.person}: {error.text}",
                        hint=f"correct the cause (the signer is 0x{row.signer.hex()}), and run the same command again",
                    )
                case _:
                    self._last_error = error
        if taken := self._follower.taken(used):
            raise _nonce_taken(taken)
        self._settle(self._follower.receipts(used))

    def _settle(self, ends: Sequence[End]) -> bool:
        if not ends:
            return False
        with self._mutex:
            self._store.settle((e.row.hash, "mined" if e.ok else "failed", e.block, e.detail) for e in ends)
            for end in ends:
                self._in_flight.pop(end.row.hash, None)
                self._hand_out(end.row.hash, Outcome(end.row.person, end.ok, end.detail))
        return True

    def _stalled(self, seconds: float) -> UnavailableError:
        row = next(iter(self._in_flight.values()))
        seen = f"the newest block read is {self._follower.block}"
        if self._follower.confirmations:
            seen += f", with the {self._follower.confirmations} blocks on top that `chain.confirmations` requires"
        last = f"; last error: {self._last_error.message}" if self._last_error else ""
        return UnavailableError(
            f"no transaction was mined on {self._rpc.name} for {seconds:.0f} seconds, {len(self._in_flight)} are in flight,"
            f" the first {to_hex(row.hash)} (nonce {row.nonce}); {seen}{last}",
            hint="every transaction is in the ledger; run the same command again when the node mines blocks",
        )


def _nonce_taken(rows: Sequence[LedgerRow], said: str = "") -> ReconcileError:
    row, more = rows[0], f", and {len(rows) - 1} others" if len(rows) > 1 else ""
    return ReconcileError(
        f"nonce {row.nonce} of 0x{row.signer.hex()} was taken by another transaction{said and f' ({said})'};"
        f" {row.purpose} of person {row.person} in {to_hex(row.hash)}{more} can no longer be mined",
        hint="another run or another program has used the same key. Make sure that it paid none of these people"
        " (`cicscenario verify` shows who has been paid), then run with --reconcile: it sends new transactions for them",
    )
