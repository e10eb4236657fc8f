"""The only way to send a transaction: recorded before it is sent, in one nonce sequence, and repeated only byte for byte.

A signed transaction is on the disk before it is sent, so after a crash the chain can be asked what became of it. A time-out
means *unknown*, never *failed*. No second transaction is signed for the same purpose and person while the first could still
be mined. One thread, ``chain.broadcast.Broadcaster``, does the sending.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cicscenario.boundaries import Boundary
from cicscenario.chain.abi import to_hex
from cicscenario.chain.broadcast import Broadcaster
from cicscenario.chain.follower import PLAIN_TRANSFER_GAS
from cicscenario.chain.refusal import Refusal, refusal
from cicscenario.chain.review import Recogniser, Review, unrecognised
from cicscenario.chain.rpc import Rpc, RpcError, protocol_errors
from cicscenario.chain.signer import Signer
from cicscenario.chain.ticket import Ticket
from cicscenario.errors import ReconcileError
from cicscenario.retry import pause
from cicscenario.state.rows import LedgerRow, Outcome
from cicscenario.state.store import Store


@dataclass(frozen=True)
class Intent:
    """A transaction to send for one person; ``value`` in wei."""

    person: int
    to: bytes
    data: bytes = b""
    value: int = 0


_USE_UP = Boundary("chain.use_up")  # a transfer of nothing takes the nonce of a replaced transaction
_NONCE_IS_USED_UP = (Refusal.KNOWN, Refusal.NONCE_USED, Refusal.NONCE_PENDING)

GasLimit = Callable[[Intent], int]  #: the gas limit for transactions like the one given


class Ledger:
    """One signer's transactions. Entering it looks up what an earlier run left open, and starts to send.

    If transactions that the ledger does not know have used nonces, ``recognise`` says whether they paid this run's people.
    If that cannot be told, entering raises ReconcileError; with ``reconcile`` they count as another program's. ``used``: the
    run directory was used before, so an empty state does not mean that nothing was sent. ``lag`` is how long (seconds) to
    wait for a node that knows fewer transactions than the ledger. After ``stopping`` is set, every wait ends within a second
    with InterruptedRunError.
    """

    def __init__(
        self,
        store: Store,
        rpc: Rpc,
        signer: Signer,
        broadcaster: Broadcaster,
        gas_price: int,
        *,
        recognise: Recogniser = unrecognised,
        used: bool = False,
        reconcile: bool = False,
        lag: float = 60,
        stopping: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._rpc = rpc
        self._signer = signer
        self._broadcaster = broadcaster
        self._gas_price = gas_price
        self._reconcile = reconcile
        self._lag = lag
        self._stopping = stopping
        self._clock = clock
        self._mutex = threading.Lock()
        self._next_nonce = 0
        self._review = Review(
            store, rpc, broadcaster.follower, signer, gas_price, recognise=recognise, used=used, reconcile=reconcile,
            lag=lag, stopping=stopping, clock=clock,
        )  # fmt: skip

    def __enter__(self) -> "Ledger":
        free = self.review()
        self._broadcaster.start(self._signer.address)
        last = self._store.last_nonce(self._signer.address)
        self._next_nonce = max(free, 0 if last is None else last + 1)
        return self

    def review(self) -> int:
        """Compares the ledger with the chain, and writes down what it finds; sends nothing that pays somebody.

        Returns the next nonce that is free on the chain. Raises as entering does.
        """
        self._reopen()
        return self._review.run()

    def __exit__(self, *_: object) -> None:
        self._broadcaster.stop()

    def _reopen(self) -> int:
        """Marks transactions that ended in blocks which the node does not have as open again; gives the next free nonce.

        The node may lag behind, or its chain was set back. In both cases it is safe to send the same bytes again, except
        for a failed transaction that was replaced by another: if both were mined, somebody would be paid twice. In that
        case this waits for the node to catch up. If it does not, it raises ReconcileError, or with ``reconcile`` uses up
        the nonce with a transfer of nothing.
        """
        began = self._clock()
        while True:
            mined, pending, height = self._counts()
            lost = self._store.settled_from(self._signer.address, mined)
            replaced = self._replaced(lost)
            waited = self._clock() - began
            if not replaced or waited >= self._lag:
                break
            pause(min(1.0, self._lag), self._stopping)
        if replaced and not self._reconcile:
            raise _chain_set_back(self._rpc.name, lost, replaced, mined, height, waited)
        self._use_up(replaced)
        self._store.reopen(row.hash for row in lost if row not in replaced)
        return pending

    def _counts(self) -> tuple[int, int, int]:
        """The signer's number of mined transactions, the same with those pending in the node, and the newest block."""
        address = to_hex(self._signer.address)
        with protocol_errors(self._rpc):
            mined, pending, height = self._rpc.calls(
                [
                    ("eth_getTransactionCount", [address, "latest"]),
                    ("eth_getTransactionCount", [address, "pending"]),
                    ("eth_blockNumber", []),
                ]
            )
            return int(mined, 16), int(pending, 16), int(height, 16)

    def _replaced(self, lost: Sequence[LedgerRow]) -> list[LedgerRow]:
        """Those of ``lost`` that failed, and have another transaction for the same purpose and person."""
        failed = [row for row in lost if row.status == "failed"]
        number = Counter((row.purpose, row.person) for row in failed)
        return [
            row
            for row in failed
            if number[row.purpose, row.person] > 1 or self._store.live_transactions(row.purpose, [row.person])
        ]

    def _use_up(self, replaced: Sequence[LedgerRow]) -> None:
        """Sends a transfer of nothing to the signer itself with the nonce of each, so that they can never be mined.

        If the node refuses since another transaction has that nonce, the nonce will be used up as well.
        """
        me = self._signer.address
        for row in replaced:
            signed = self._signer.sign(
                nonce=row.nonce, gas_price=2 * self._gas_price, gas=PLAIN_TRANSFER_GAS, to=me, value=0, data=b""
            )
            with _USE_UP:
                (answer,) = self._rpc.results([("eth_sendRawTransaction", [to_hex(signed.raw)])])
            if isinstance(answer, RpcError) and refusal(answer) not in _NONCE_IS_USED_UP:
                raise answer

    def send(self, purpose: str, intents: Sequence[Intent], gas: GasLimit) -> list[Outcome]:
        """Sends a transaction for each person who needs one, and waits for the ends of all; see ``begin``."""
        return self.begin(purpose, intents, gas).wait()

    def begin(self, purpose: str, intents: Sequence[Intent], gas: GasLimit) -> Ticket:
        """Signs, records and submits a transaction for each person who has none for this purpose, or only failed ones.

        The ticket waits for the ends of all, also of those that were sent before.

        ``gas`` gives the gas limit of all of them; it is called with the first intent that has not been sent, since the
        estimate for one that was mined already would revert. Raises UnavailableError when the chain makes no progress and
        ReconcileError when it contradicts the ledger; in both cases the next run looks all transactions up.
        """
        people = [intent.person for intent in intents]
        with self._mutex:
            live = self._store.live_transactions(purpose, people)
            if failed := self._store.failed_transactions(purpose, [person for person in people if person not in live]):
                self._broadcaster.recheck_failed(failed)
                live = self._store.live_transactions(purpose, people)
            new = [intent for intent in intents if intent.person not in live]
            limit = gas(new[0]) if new else 0
            rows = [self._sign(purpose, intent, nonce, limit) for nonce, intent in enumerate(new, self._next_nonce)]
            mined = [Outcome(row.person, True, row.detail) for row in live.values() if row.status == "mined"]
            ticket = self._broadcaster.expect([row for row in live.values() if row.status != "mined"] + rows, mined)
            self._admit(rows)
        return ticket

    def _admit(self, rows: list[LedgerRow]) -> None:
        """Commits, then sends: this order ensures that a gift is sent once. The nonces are used up by the commit."""
        self._store.add_transactions(rows)
        self._next_nonce += len(rows)
        self._broadcaster.submit(rows)

    def _sign(self, purpose: str, intent: Intent, nonce: int, gas: int) -> LedgerRow:
        signed = self._signer.sign(
            nonce=nonce, gas_price=self._gas_price, gas=gas, to=intent.to, value=intent.value, data=intent.data
        )
        return LedgerRow(
            purpose, intent.person, self._signer.address, nonce, signed.hash, signed.raw, gas, status="signed"
        )


def _chain_set_back(
    node: str, lost: Sequence[LedgerRow], replaced: Sequence[LedgerRow], mined: int, height: int, waited: float
) -> ReconcileError:
    last, row = max(lost, key=lambda one: one.nonce), replaced[0]
    return ReconcileError(
        f"{node} is at block {height} and has {mined} transactions of 0x{row.signer.hex()}, still after waiting {waited:.0f}"
        f" seconds, but according to the ledger nonce {last.nonce} ended in block {last.block}. Either the node lags behind,"
        f" or its chain was set back. {row.purpose} of person {row.person} (nonce {row.nonce}) had failed and was replaced:"
        " if both were mined now, this person would be paid twice",
        hint=f"if the node lags, run the same command again when it is at block {last.block}. If the chain was set back"
        " permanently, run with --reconcile: it uses up that nonce with a transfer of nothing, and sends the other"
        " transactions again, unchanged",
    )
