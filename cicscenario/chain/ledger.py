"""The only way to send a transaction: written ahead, sent in one nonce sequence, and only ever re-sent byte for byte.

``signed`` is committed to the disk before the first broadcast, so a crash at any point leaves a question that the chain
can answer. A time-out is *unknown*, never *failed*. No new nonce is drawn for a purpose while an older transaction for
it could still be mined. The work on the wire is done by one thread, ``chain.broadcast.Broadcaster``.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cicscenario.chain.broadcast import Broadcaster
from cicscenario.chain.rpc import Rpc, reading
from cicscenario.chain.signer import Signer
from cicscenario.errors import ReconcileError
from cicscenario.state.store import LedgerRow, Outcome, Store


@dataclass(frozen=True)
class Intent:
    """A transaction to send for one person; ``value`` in wei."""

    person: int
    to: bytes
    data: bytes = b""
    value: int = 0


GasLimit = Callable[[Intent], int]  #: the gas limit for transactions like the one given


class Ledger:
    """One signer's transactions. Enter it to settle what an earlier run left open and to start sending.

    With ``reconcile``, those whose nonces others have used count as failed, and their people get new ones; otherwise
    entering raises ReconcileError.
    """

    def __init__(
        self,
        store: Store,
        rpc: Rpc,
        signer: Signer,
        broadcaster: Broadcaster,
        gas_price: int,
        *,
        reconcile: bool = False,
    ) -> None:
        self._store = store
        self._rpc = rpc
        self._signer = signer
        self._broadcaster = broadcaster
        self._gas_price = gas_price
        self._reconcile = reconcile
        self._mutex = threading.Lock()
        self._next_nonce = 0

    def __enter__(self) -> "Ledger":
        address = "0x" + self._signer.address.hex()
        with reading(self._rpc):
            mined, pending = (
                int(count, 16)
                for count in self._rpc.calls(
                    [("eth_getTransactionCount", [address, block]) for block in ("latest", "pending")]
                )
            )
        self._reopen(mined)
        self._broadcaster.start(self._signer.address, reconcile=self._reconcile)
        last = self._store.last_nonce(self._signer.address)
        self._next_nonce = max(pending, 0 if last is None else last + 1)
        return self

    def __exit__(self, *_: object) -> None:
        self._broadcaster.stop()

    def _reopen(self, mined: int) -> None:
        """Opens again what the chain has forgotten: ``mined`` is its count for the signer, and what stands at or above
        it was lost when the chain was set back.
        """
        lost = self._store.settled_from(self._signer.address, mined)
        if any(row.status == "failed" for row in lost):
            raise ReconcileError(
                f"the chain went back to before nonce {mined} of 0x{self._signer.address.hex()}, where a transaction had failed",
                hint="sending it again could pay somebody twice; compare the chain with `cicscenario verify`, then use --fresh",
            )
        self._store.reopen(row.hash for row in lost)

    def send(self, purpose: str, intents: Sequence[Intent], gas: GasLimit) -> list[Outcome]:
        """Sends one transaction a person, at most once each whatever happened before, and waits for their ends.

        ``gas`` gives the limit of each; it is asked with the first intent that has yet to be sent, since one that was
        sent before could not be carried out again. Raises UnavailableError when the chain stands still and ReconcileError when it
        disagrees with the ledger; both leave every transaction as it was, for the next run to look up.
        """
        people = [intent.person for intent in intents]
        with self._mutex:
            live = self._store.live_transactions(purpose, people)
            if failed := self._store.failed_transactions(purpose, [person for person in people if person not in live]):
                self._broadcaster.ask_again(failed)
                live = self._store.live_transactions(purpose, people)
            new = [intent for intent in intents if intent.person not in live]
            limit = gas(new[0]) if new else 0
            rows = [self._sign(purpose, intent, nonce, limit) for nonce, intent in enumerate(new, self._next_nonce)]
            ticket = self._broadcaster.expect([row for row in live.values() if row.status != "mined"] + rows)
            self._admit(rows)
        ends = ticket.wait()
        settled = [Outcome(row.person, ok=True) for row in live.values() if row.status == "mined"]
        return settled + ends

    def _admit(self, rows: list[LedgerRow]) -> None:
        """Commits, then sends: this order is what makes a gift happen once. Nonces are drawn when they are committed."""
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
