"""One thread that sends signed transactions in nonce order, watches them end, and sends again what a node lost.

A node that answered with a hash may still lose the transaction when a block fills up (seen with anvil 1.7), so the gas
in flight stays below a share of the block gas limit, and whatever does not end is broadcast again, byte for byte.
"""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

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

_POLL = 0.05  # seconds between looks at the chain while nothing moves
_LOOK = 0.2  # seconds between looks at ``stopping`` while something else is waited for
_RESEND_AFTER = 3.0  # seconds without an end before the first re-broadcast; doubles up to
_RESEND_AT_MOST = 30.0


class Ticket:
    """The ends of some transactions, to wait for; ``ended`` are those that are known already."""

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

    def abandon(self, error: CicScenarioError) -> None:
        self._error = error
        self._done.set()

    def wait(self) -> list[Outcome]:
        """Outcomes by person. Raises what stopped the broadcaster, if it stopped first, and InterruptedRunError soon
        after ``stopping`` is set.
        """
        while not self._done.wait(_LOOK):
            if self._stopping is not None and self._stopping.is_set():
                raise InterruptedRunError(
                    "stopped while transactions are in flight; they are in the ledger, and the next run looks them up"
                )
        if self._error:
            raise self._error
        return self._outcomes


class Broadcaster:
    """Sends and watches.

    ``window`` is the gas that may be in flight. ``patience`` is how long (seconds) the chain may stand still, or the node
    give no answers, with transactions in flight, before waiting is given up. ``clock`` tells seconds. The thread ends when
    ``stopping`` is set, which ``stop`` does too; what is in flight stays open in the ledger. Give ``rpc`` the same event,
    so that its requests end as well.
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
        self._moved = self._resent = clock()
        self._thread = threading.Thread(target=self._run, name="broadcaster", daemon=True)

    def start(self, signer: bytes, *, reconcile: bool = False) -> None:
        """Takes up what an earlier run left open, and begins to send and watch; see ``take_up``."""
        self.take_up(signer, reconcile=reconcile)
        self._thread.start()

    def take_up(self, signer: bytes, *, reconcile: bool = False) -> None:
        """Settles what ended while nobody looked, and queues the rest in nonce order.

        Raises ReconcileError when another transaction has used the nonce of one of them; with ``reconcile`` those have
        failed instead.
        """
        outstanding = self._store.outstanding(signer)
        for start in range(0, len(outstanding), self._batch):
            self._settle(self._follower.receipts(outstanding[start : start + self._batch]))
        left = self._store.outstanding(signer)
        if taken := self._follower.taken(left):
            if not reconcile:
                raise _taken(taken)
            self._settle([End(row, False, self._follower.block, f"nonce {row.nonce} was taken") for row in taken])
            left = self._store.outstanding(signer)
        self._waiting.extend(left)

    def ask_again(self, failed: Sequence[LedgerRow]) -> None:
        """Looks once more at transactions of one purpose that had failed: a chain that went back may have carried them
        out since. Where it has forgotten one that it could still mine, the node may lag: it is asked again for
        ``patience`` seconds, then UnavailableError is raised.
        """
        began = self._clock()
        while forgotten := self._forgotten(failed):
            waited = self._clock() - began
            if waited >= self._patience:
                raise UnavailableError(
                    f"{self._rpc.name} does not know transaction {to_hex(forgotten[0].hash)}, which had failed, and has"
                    f" not learned of it in {waited:.0f} seconds: its chain has gone back, or it lags behind",
                    hint="run the same command again when the node has caught up; nothing is sent anew before",
                )
            pause(min(_LOOK, self._patience), self._stopping)

    def _forgotten(self, failed: Sequence[LedgerRow]) -> list[LedgerRow]:
        """Settles those that were carried out after all; gives those that could still be mined without a trace of them."""
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
        """A ticket for transactions that are in flight or about to be submitted, and what is known of others."""
        ticket = Ticket((row.hash for row in rows), ended, self._stopping)
        with self._mutex:
            if self._fatal:
                ticket.abandon(self._fatal)
            self._tickets.update((row.hash, ticket) for row in rows)
            # One that ended since the caller looked would otherwise be waited for in vain.
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
                self.give_up_when_stuck(moved)
                if not moved:
                    pause(_POLL, self._stopping)
        except CicScenarioError as error:
            self._give_up(error)
        except Exception as error:  # a bug must not leave executors waiting for ever
            self._give_up(CicScenarioError(f"internal error in the broadcaster: {error!r}"))
            raise

    def round(self) -> bool:
        """Sends what fits, looks at the next blocks, and sends again what has not ended for long; True when something moved.

        A node that does not answer, or refuses, is no reason to end: it is asked again by the next round.
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

    def give_up_when_stuck(self, moved: bool) -> None:
        """Raises UnavailableError when nothing has moved for ``patience`` seconds."""
        now = self._clock()
        if moved:
            self._moved = self._resent = now
            self._resend_after = self._resend_first
            self._last_error = None
        elif self._in_flight and now - self._moved > self._patience:
            raise self._stuck(now - self._moved)

    def _send_again(self) -> None:
        now = self._clock()
        if self._in_flight and now - self._resent > self._resend_after:
            self._resent, self._resend_after = now, min(2 * self._resend_after, _RESEND_AT_MOST)
            self._broadcast(list(itertools.islice(self._in_flight.values(), self._batch)))

    def _idle_until_work(self) -> bool:
        """Waits for transactions; False when the thread is to end."""
        with self._mutex:
            while not (self._stopping.is_set() or self._waiting or self._in_flight):
                self._mutex.wait(_LOOK)
                self._moved = self._resent = self._clock()
            return not self._stopping.is_set()

    def _give_up(self, error: CicScenarioError) -> None:
        with self._mutex:
            self._fatal = error
            for ticket in self._tickets.values():
                ticket.abandon(error)

    def _send_some(self) -> bool:
        rows = self._next_rows()
        if rows:
            self._broadcast(rows)
        return bool(rows)

    def _next_rows(self) -> list[LedgerRow]:
        """Rows that fit into the window; one is always let through, or a large one could never be sent."""
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
            self._look_up(doubtful)

    def _look_up(self, doubtful: Sequence[tuple[LedgerRow, RpcError]]) -> None:
        """A refusal is not an end: the transaction may have been mined before. Only the chain can say."""
        used: list[LedgerRow] = []
        for row, error in doubtful:
            match refusal(error):
                case Refusal.USED:
                    used.append(row)
                case Refusal.REPLACING:
                    raise _taken([row], error.text)
                case Refusal.FOR_GOOD:
                    raise StepFailedError(
                        f"{self._rpc.name} will never take {row.purpose} of person {row.person}: {error.text}",
                        hint=f"see to 0x{row.signer.hex()}, the signer, and run the same command again",
                    )
                case _:
                    self._last_error = error
        if taken := self._follower.taken(used):
            raise _taken(taken)
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

    def _stuck(self, seconds: float) -> UnavailableError:
        row = next(iter(self._in_flight.values()))
        seen = f"the newest block seen is {self._follower.block}"
        if self._follower.confirmations:
            seen += f", behind the {self._follower.confirmations} on top that `chain.confirmations` asks for"
        last = f"; last error: {self._last_error.message}" if self._last_error else ""
        return UnavailableError(
            f"no transaction was mined on {self._rpc.name} for {seconds:.0f} seconds, {len(self._in_flight)} are in flight,"
            f" the first {to_hex(row.hash)} (nonce {row.nonce}); {seen}{last}",
            hint="every transaction is in the ledger; run the same command again when the node makes blocks",
        )


def _taken(rows: Sequence[LedgerRow], said: str = "") -> ReconcileError:
    row, more = rows[0], f", and {len(rows) - 1} others" if len(rows) > 1 else ""
    return ReconcileError(
        f"nonce {row.nonce} of 0x{row.signer.hex()} was taken by another transaction{said and f' ({said})'};"
        f" {row.purpose} of person {row.person} in {to_hex(row.hash)}{more} can no longer be mined",
        hint="something else has used the same key: another run, or another program. See that it paid none of these"
        " people (`cicscenario verify` tells who has been paid); then run with --reconcile, which sends theirs anew",
    )
