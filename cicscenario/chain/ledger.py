"""The only way to send a transaction: recorded before it is sent, in one nonce sequence, and repeated only byte for byte.

A signed transaction is on the disk before it is sent, so after a crash the chain can be asked what became of it. A time-out
means *unknown*, never *failed*. No second transaction is signed for the same purpose and person while the first could still
be mined. One thread, ``chain.broadcast.Broadcaster``, does the sending.
"""

import threading
import time
from collections.abc import Callable, Sequence

from cicscenario.chain.broadcast import Broadcaster
from cicscenario.chain.gasprice import GasPrice, at, most_of
from cicscenario.chain.intent import Intent
from cicscenario.chain.review import Recogniser, Review, unrecognised
from cicscenario.chain.rpc import Rpc
from cicscenario.chain.signer import Signer
from cicscenario.chain.ticket import Ticket
from cicscenario.chain.wallets import OwnKeys, OwnPart, Wallets
from cicscenario.printable import foreign
from cicscenario.state.rows import LedgerRow, Outcome
from cicscenario.state.store import Store

GasLimit = Callable[[Intent], int]  #: the gas limit for transactions like the one given


class Ledger:
    """One signer's transactions. Entering it looks up what an earlier run left open, and starts to send.

    If transactions that the ledger does not know have used nonces, ``recognise`` says whether they paid this run's people.
    If that cannot be told, entering raises ReconcileError; with ``reconcile`` they count as another program's. ``used``: the
    run directory was used before, so an empty state does not mean that nothing was sent. ``undone`` is called when
    blocks that were read are gone. ``lag`` is how long (seconds) to wait for a node that knows fewer transactions than the
    ledger. After ``stopping`` is set, every wait ends within a second
    with InterruptedRunError. ``own``: the keys of people who sign for themselves.
    """

    def __init__(
        self,
        store: Store,
        rpc: Rpc,
        signer: Signer,
        broadcaster: Broadcaster,
        gas_price: GasPrice,
        *,
        recognise: Recogniser = unrecognised,
        used: bool = False,
        undone: Callable[[], None] = lambda: None,
        reconcile: bool = False,
        lag: float = 60,
        stopping: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
        own: OwnKeys | None = None,
    ) -> None:
        self._store = store
        self._signer = signer
        self._broadcaster = broadcaster
        self._gas_price = gas_price
        self._mutex = threading.Lock()
        self._clock = clock
        self._next_nonce = 0
        self._review = Review(
            store, rpc, broadcaster.follower, signer, gas_price, recognise=recognise, used=used, undone=undone,
            reconcile=reconcile, lag=lag, stopping=stopping, clock=clock, undo_others=self._undo_others,
        )  # fmt: skip

        def review_of(signer: Signer, recognise: Recogniser, person: int) -> Review:
            return Review(
                store, rpc, broadcaster.follower, signer, self._price(), recognise=recognise, undone=undone,
                reconcile=reconcile, lag=lag, stopping=stopping, clock=clock, person=person,
            )  # fmt: skip

        self._wallets = Wallets(store, rpc, signer, broadcaster, own, self._price, review_of, stopping) if own else None

    def __enter__(self) -> "Ledger":
        free = self.review()
        self._broadcaster.start(self._signer.address, self._review.undo)
        last = self._store.last_nonce(self._signer.address)
        self._next_nonce = max(free, 0 if last is None else last + 1)
        return self

    def review(self) -> int:
        """Compares the ledger with the chain, and writes down what it finds; sends nothing that pays somebody.

        Returns the next nonce that is free on the chain. Raises as entering does.
        """
        free = self._review.run()
        if self._wallets:
            self._wallets.review()
        return free

    def _undo_others(self, block: int) -> None:
        if self._wallets:
            self._wallets.undo(block)

    def __exit__(self, *_: object) -> None:
        self._broadcaster.stop()

    def finish(self) -> bool:
        """Waits until every transaction has ended, and the blocks in which they did are still there.

        Returns whether blocks were undone since the last call: then the outcomes of some people may be withdrawn.
        """
        return self._broadcaster.finish()

    def standing(self) -> tuple[float, str]:
        """Seconds since a transaction was sent or has ended, and what was seen last, in words."""
        caster = self._broadcaster
        error = f"; {foreign(caster.last_error)}" if caster.last_error else ""
        return self._clock() - caster.last_progress, f"block {caster.follower.block:,}{error}"

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
        self._store.await_check(people)  # before others have to wait for this one
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

    def begin_own(self, parts: Sequence[OwnPart], gas: int) -> Ticket:
        """The same for transactions that people sign for themselves, with a gas limit of ``gas``; see ``Wallets.begin``."""
        if self._wallets is None:
            raise AssertionError("a ledger without people's keys cannot sign for them")
        return self._wallets.begin(parts, gas)

    def _price(self) -> GasPrice:
        fees = self._broadcaster.fees
        return at(self._gas_price, max(most_of(self._gas_price), fees.least)) if fees else self._gas_price

    def _admit(self, rows: list[LedgerRow]) -> None:
        """Commits, then sends: this order ensures that a gift is sent once. The nonces are used up by the commit."""
        self._store.add_transactions(rows)
        self._next_nonce += len(rows)
        self._broadcaster.submit(rows)

    def _sign(self, purpose: str, intent: Intent, nonce: int, gas: int) -> LedgerRow:
        signed = self._signer.sign(
            nonce=nonce,
            gas_price=self._price(),
            gas=gas,
            to=intent.to,
            value=intent.value,
            data=intent.data,
        )
        return LedgerRow(
            purpose, intent.person, self._signer.address, nonce, signed.hash, signed.raw, gas, status="signed"
        )
