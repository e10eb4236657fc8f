"""The only way to send a transaction: written ahead, sent in one nonce sequence, and only ever re-sent byte for byte.

``signed`` is committed to the disk before the first broadcast, so a crash at any point leaves a question that the chain
can answer. A time-out is *unknown*, never *failed*. No new nonce is drawn for a purpose while an older transaction for
it could still be mined. The work on the wire is done by one thread, ``chain.broadcast.Broadcaster``.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cicscenario.chain.abi import to_hex
from cicscenario.chain.broadcast import Broadcaster, Ticket
from cicscenario.chain.follower import PLAIN_TRANSFER_GAS
from cicscenario.chain.refusal import Refusal, refusal
from cicscenario.chain.rpc import Rpc, RpcError, reading
from cicscenario.chain.signer import Signer
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


_NONCE_IS_USED_UP = (Refusal.KNOWN, Refusal.USED, Refusal.REPLACING)

GasLimit = Callable[[Intent], int]  #: the gas limit for transactions like the one given


class Ledger:
    """One signer's transactions. Enter it to settle what an earlier run left open and to start sending.

    With ``reconcile``, those whose nonces others have used count as failed, and their people get new ones; otherwise
    entering raises ReconcileError. ``lag`` is how long (seconds) a node that knows less than the ledger is waited for. After
    ``stopping`` is set every wait ends within a second, with InterruptedRunError.
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

    def __enter__(self) -> "Ledger":
        pending = self._reopen()
        self._broadcaster.start(self._signer.address, reconcile=self._reconcile)
        last = self._store.last_nonce(self._signer.address)
        self._next_nonce = max(pending, 0 if last is None else last + 1)
        return self

    def __exit__(self, *_: object) -> None:
        self._broadcaster.stop()

    def _reopen(self) -> int:
        """Opens again the transactions that ended in blocks which the node does not have; gives the next free nonce.

        The node may lag, or its chain was set back: in both cases sending the same bytes again is safe. Only a failed
        transaction that another one has replaced must not be sent again. The node is waited for; if it does not catch
        up, ReconcileError is raised, or with ``reconcile`` the nonce is used up by a transfer of nothing.
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
            raise _went_back(self._rpc.name, lost, replaced, mined, height, waited)
        self._use_up(replaced)
        self._store.reopen(row.hash for row in lost if row not in replaced)
        return pending

    def _counts(self) -> tuple[int, int, int]:
        """How many transactions of the signer are mined, how many with those that wait in the node, and the newest block."""
        address = to_hex(self._signer.address)
        with reading(self._rpc):
            mined, pending, height = self._rpc.calls(
                [
                    ("eth_getTransactionCount", [address, "latest"]),
                    ("eth_getTransactionCount", [address, "pending"]),
                    ("eth_blockNumber", []),
                ]
            )
            return int(mined, 16), int(pending, 16), int(height, 16)

    def _replaced(self, lost: Sequence[LedgerRow]) -> list[LedgerRow]:
        """Those of ``lost`` that failed, and for whose purpose and person there is another transaction that may count."""
        failed = [row for row in lost if row.status == "failed"]
        number = Counter((row.purpose, row.person) for row in failed)
        return [
            row
            for row in failed
            if number[row.purpose, row.person] > 1 or self._store.live_transactions(row.purpose, [row.person])
        ]

    def _use_up(self, replaced: Sequence[LedgerRow]) -> None:
        """Sends a transfer of nothing to the signer itself with the nonce of each, so that they can never be mined.

        A dearer transaction of another program that waits with that nonce will use it up as well.
        """
        me = self._signer.address
        for row in replaced:
            signed = self._signer.sign(
                nonce=row.nonce, gas_price=2 * self._gas_price, gas=PLAIN_TRANSFER_GAS, to=me, value=0, data=b""
            )
            (answer,) = self._rpc.results([("eth_sendRawTransaction", [to_hex(signed.raw)])])
            if isinstance(answer, RpcError) and refusal(answer) not in _NONCE_IS_USED_UP:
                raise answer

    def send(self, purpose: str, intents: Sequence[Intent], gas: GasLimit) -> list[Outcome]:
        """Sends one transaction a person, at most once each whatever happened before, and waits for their ends; see ``begin``."""
        return self.begin(purpose, intents, gas).wait()

    def begin(self, purpose: str, intents: Sequence[Intent], gas: GasLimit) -> Ticket:
        """Signs, commits and submits one transaction a person, at most once each; the ticket waits for their ends.

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
            mined = [Outcome(row.person, True, row.detail) for row in live.values() if row.status == "mined"]
            ticket = self._broadcaster.expect([row for row in live.values() if row.status != "mined"] + rows, mined)
            self._admit(rows)
        return ticket

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


def _went_back(
    node: str, lost: Sequence[LedgerRow], replaced: Sequence[LedgerRow], mined: int, height: int, waited: float
) -> ReconcileError:
    last, row = max(lost, key=lambda one: one.nonce), replaced[0]
    return ReconcileError(
        f"{node} is at block {height} and counts {mined} transactions of 0x{row.signer.hex()}, and {waited:.0f} seconds did not"
        f" change that; the ledger saw nonce {last.nonce} end in block {last.block}. Either the node lags behind, or its chain"
        f" was set back. {row.purpose} of person {row.person} (nonce {row.nonce}) had failed and was replaced: if both were"
        " mined now, they would be paid twice",
        hint=f"if the node lags, run the same command again when it is at block {last.block}. If the chain was set back for"
        " good, run with --reconcile: it uses up that nonce with a transfer of nothing, and sends the other transactions"
        " again as they were",
    )
