"""Compares the ledger with the chain before anything is sent: who has used the signer's nonces?

The state may be an older copy, or lack its last part; a copy of it may have run on another machine; another program may use
the same key. Then the chain has transactions that the ledger does not know. Each is looked up. One that this run would send
is adopted, so that nobody is paid twice; one that has nothing to do with this run is left alone; if one cannot be told,
nothing is sent.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from cicscenario.chain.abi import to_hex
from cicscenario.chain.adoption import Adoption, written
from cicscenario.chain.envelope import ChainTransaction
from cicscenario.chain.follower import End, Follower
from cicscenario.chain.gasprice import GasPrice
from cicscenario.chain.lookup import NonceLookup
from cicscenario.chain.proof import SentCall
from cicscenario.chain.reading import as_numbers, on_this_chain
from cicscenario.chain.rpc import Call, Rpc, protocol_errors
from cicscenario.chain.signer import Signer
from cicscenario.chain.trace import ancestor
from cicscenario.errors import ReconcileError
from cicscenario.invocation import going_on
from cicscenario.retry import pause
from cicscenario.state.rows import LedgerRow
from cicscenario.state.store import Store
from cicscenario.wording import agreeing, counted

NONCES = "nonces"  #: key of the state's identity: what became of all nonces below it is known
_LOOK_AGAIN = 1.0  # seconds between looks at a node that may lag
_NAMED = 3  # transactions that a message names


@dataclass(frozen=True)
class Recognised:
    """What a transaction does for this run. ``claims`` are the (purpose, person) that it may be for; none: nothing.

    ``doubt`` says why that cannot be told.
    """

    claims: tuple[tuple[str, int], ...] = ()
    doubt: str | None = None


#: Says what a transaction of the signer does for this run.
Recogniser = Callable[[SentCall], Recognised]


def unrecognised(call: SentCall) -> Recognised:
    """Nothing is known of what the run would send."""
    return Recognised(doubt="it is not known what this run would send")


class Review:
    """The comparison. ``gas_price`` (wei) is for transactions that use up a nonce.

    With ``reconcile`` transactions that cannot be told count as another program's. ``lag`` is how long (seconds) to wait for
    a node that knows fewer transactions than it counts. ``used``: the run directory was used before, so an empty state does
    not mean that nothing was sent. ``undone`` is called before anything is written when blocks that were read are gone. ``clock``
    gives seconds. ``person`` is who signs for themselves, and all of whose transactions are compared; None for the run's own
    signer. ``undo_others`` reopens what others have sent, when blocks that were read are gone.
    """

    def __init__(
        self,
        store: Store,
        rpc: Rpc,
        follower: Follower,
        signer: Signer,
        gas_price: GasPrice,
        *,
        recognise: Recogniser = unrecognised,
        reconcile: bool = False,
        lag: float = 60,
        used: bool = False,
        undone: Callable[[], None] = lambda: None,
        stopping: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
        person: int | None = None,
        undo_others: Callable[[int], None] = lambda block: None,
    ) -> None:
        self._person = person
        self._undo_others = undo_others
        self._store = store
        self._rpc = rpc
        self._follower = follower
        self._signer = signer
        self._gas_price = gas_price
        self._recognise = recognise
        self._reconcile = reconcile
        self._lag = lag
        self._used = used
        self._undone = undone
        self._stopping = stopping
        self._clock = clock
        self._lookup = NonceLookup(rpc, signer.address)

    def run(self) -> int:
        """Writes what became of transactions into the ledger; sends nothing. Returns the signer's next free nonce.

        Raises ReconcileError when a transaction cannot be told, and UnavailableError when the node does not answer.
        """
        self._go_back()
        began = self._clock()
        while True:
            self._settle_outstanding()
            mined, pending, height = self._counts()
            taken = self._follower.used_by_others(self._store.outstanding(self._signer.address))
            wanted = self._unknown(mined, pending) | {row.nonce for row in taken}
            gaps = self._gaps(pending)
            found, ends = self._look_up([nonce for nonce in wanted if nonce < mined], height)
            # The node has the block of some, and does not know them yet by their hashes: they will be settled.
            own = {row.nonce for row in taken if row.nonce in found and found[row.nonce].hash == row.hash}
            taken = [row for row in taken if row.nonce not in own]
            found = {nonce: one for nonce, one in found.items() if nonce not in own}
            late = self._clock() - began >= self._lag
            if (wanted <= found.keys() and not gaps) or (late and self._reconcile):
                break
            if late and wanted <= found.keys():
                raise _gap(self._rpc.name, self._signer, gaps)
            if late:
                raise _not_found(self._rpc.name, self._signer, sorted(wanted - found.keys()))
            pause(min(_LOOK_AGAIN, self._lag), self._stopping)
        if wanted or gaps:
            self._store.await_check()  # the ledger may have them, and an index not
            self._decide(found, ends, taken, gaps, height)
        self._store.withdraw_unproved()
        if self._person is None and "lineage" in self._store.meta():
            self._store.set_meta({NONCES: str(mined)})
            self._store.set_trace(self._follower.trace.sparse())
        return pending

    # --- a chain that went back -------------------------------------------------------------------------------------

    def _go_back(self) -> None:
        """Reopens transactions that ended in blocks which the node does not have: its chain went back, or it lags.

        In both cases it is safe to send the same bytes again.
        """
        held = self._store.trace()
        gone = ancestor(self._rpc, held)
        self._follower.trace.include({number: one for number, one in held.items() if gone is None or number <= gone})
        if gone is not None:
            self.undo(gone)
        mined, *_ = self._counts()
        if lost := self._store.settled_from(self._signer.address, mined):
            self.take_back(lost)

    def undo(self, block: int) -> None:
        """Reopens transactions that ended after ``block``, the newest that is left of those that were read."""
        self._undone()
        self.take_back(self._store.settled_above(self._signer.address, block))
        self._undo_others(block)

    def take_back(self, rows: Sequence[LedgerRow]) -> None:
        """Reopens transactions of the signer, and withdraws the outcomes of their people.

        One that failed and was followed by another for the same person is not sent again: if both were carried out now, the
        person would be paid twice. It may be in a block again; if not, its nonce is used up.
        """
        self._store.await_check()
        followed = followed_by_others(self._store, rows)
        ends, mined = self._ends_of(followed)
        adoption = self._adoption()
        for row in followed:
            if row.hash in ends:
                adoption.take([ends[row.hash]])
            elif row.nonce >= mined and not self._store.is_live(row.signer, row.nonce):
                adoption.use_up(row.nonce)
        aside = {row.hash for row in followed}
        self._store.reopen((row.hash for row in rows if row.hash not in aside), aside)
        adoption.write()

    def _ends_of(self, rows: Sequence[LedgerRow]) -> tuple[dict[bytes, End], int]:
        """How these transactions ended, as far as they did, and the signer's number of mined transactions.

        A node that lags may know of an end later, so it is asked again for ``lag`` seconds.
        """
        began = self._clock()
        while True:
            mined, *_ = self._counts()
            ends = {end.row.hash: end for end in self._follower.receipts(rows)}
            open_ = [row for row in rows if row.hash not in ends and row.nonce >= mined]
            if not open_ or self._clock() - began >= self._lag:
                return ends, mined
            pause(min(_LOOK_AGAIN, self._lag), self._stopping)

    def _gaps(self, pending: int) -> list[int]:
        """Nonces that nothing has any more, before others that are outstanding: what had them is gone from the chain."""
        nonces = {row.nonce for row in self._store.outstanding(self._signer.address)}
        return [nonce for nonce in range(pending, max(nonces, default=0)) if nonce not in nonces]

    # --- what is to be looked up ------------------------------------------------------------------------------------

    def _settle_outstanding(self) -> None:
        rows = self._store.outstanding(self._signer.address)
        rows += self._store.replaced_by(rows)
        for start in range(0, len(rows), self._rpc.batch):
            self._store.settle(written(end) for end in self._follower.receipts(rows[start : start + self._rpc.batch]))

    def _counts(self) -> tuple[int, int, int]:
        """The signer's number of mined transactions, the same with those pending in the node, and the newest block."""
        address = to_hex(self._signer.address)
        with protocol_errors(self._rpc):
            asked: list[Call] = [
                ("eth_getTransactionCount", [address, "latest"]),
                ("eth_getTransactionCount", [address, "pending"]),
                ("eth_blockNumber", []),
            ]
            mined, pending, height = as_numbers(self._rpc, asked, on_this_chain(self._rpc, asked, self._stopping))
            return mined, pending, height

    def _unknown(self, mined: int, pending: int) -> set[int]:
        """The nonces that are used, also by transactions that are pending in the node, and not in the ledger."""
        held = self._store.meta()
        if self._person is not None:
            first = 0
        elif NONCES in held:
            first = int(held[NONCES])
        elif (lowest := self._store.first_nonce(self._signer.address)) is not None:
            first = lowest
        else:
            first = 0 if self._used or "lineage" in held else pending
        return set(self._store.unknown_nonces(self._signer.address, first, pending))

    def _look_up(
        self, nonces: Collection[int], height: int
    ) -> tuple[dict[int, ChainTransaction], dict[bytes, list[End]]]:
        """The transactions with these nonces that are deep enough, and the ends of those that are for this run's people."""
        found = self._lookup.find(nonces, max(0, height - self._follower.confirmations))
        rows = [row for one in found.values() for row in self._rows(one)]
        ends: dict[bytes, list[End]] = {}
        for start in range(0, len(rows), self._rpc.batch):
            for end in self._follower.receipts(rows[start : start + self._rpc.batch]):
                ends.setdefault(end.row.hash, []).append(end)
        late = {row.hash for row in rows} - ends.keys()
        return {nonce: one for nonce, one in found.items() if one.hash not in late}, ends

    def _rows(self, one: ChainTransaction) -> list[LedgerRow]:
        """Rows for a transaction, one for each person and purpose that it may be for."""
        if known := self._store.transaction(one.hash):
            return [known]
        return [
            LedgerRow(purpose, person, self._signer.address, one.nonce, one.hash, one.raw, one.gas, "broadcast")
            for purpose, person in self._recognise(one.call).claims
            if one.raw is not None
        ]

    # --- what it means --------------------------------------------------------------------------------------------

    def _decide(
        self,
        found: Mapping[int, ChainTransaction],
        ends: Mapping[bytes, Sequence[End]],
        taken: Sequence[LedgerRow],
        gaps: Collection[int],
        height: int,
    ) -> None:
        """Writes all of it in one transaction, or raises ReconcileError and writes nothing."""
        doubts = {one: doubt for _, one in sorted(found.items()) if (doubt := self._doubt(one))}
        if doubts and not self._reconcile:
            raise _doubtful(self._signer, doubts, taken)
        adoption = self._adoption()
        for row in taken:
            by = f" by {to_hex(found[row.nonce].hash)}" if row.nonce in found else ""
            adoption.fail(row, height, f"nonce {row.nonce} was used{by}")
        for nonce in gaps:
            adoption.use_up(nonce)
        for _, one in sorted(found.items()):
            adoption.take(ends.get(one.hash, ()))
        adoption.write()

    def _adoption(self) -> Adoption:
        return Adoption(self._store, self._rpc, self._signer, self._gas_price, self._person)

    def _doubt(self, one: ChainTransaction) -> str | None:
        if self._store.transaction(one.hash):
            return None
        recognised = self._recognise(one.call)
        if recognised.claims and one.raw is None:
            return "it is of a type that cannot be recorded"
        return recognised.doubt


def followed_by_others(store: Store, rows: Sequence[LedgerRow]) -> list[LedgerRow]:
    """Those that failed, and have another transaction for the same purpose and person."""
    failed = [row for row in rows if row.status == "failed"]
    number = Counter((row.purpose, row.person) for row in failed)
    return [
        row
        for row in failed
        if number[row.purpose, row.person] > 1 or store.live_transactions(row.purpose, [row.person])
    ]


def _reconcile() -> str:
    return going_on("run", "--reconcile")


def _not_found(node: str, signer: Signer, nonces: Sequence[int]) -> ReconcileError:
    return ReconcileError(
        f"{node} counts transactions of {to_hex(signer.address)} that this state does not know (nonce"
        f" {_listed(nonces)}), and what they are could not be found out: they are not mined yet, the node lags, or it gives"
        " no blocks that are so old",
        hint="nothing was sent. Run the same command again when they are mined. If there is a newer copy of the state,"
        " put it back first. If it is certain that these transactions paid none of this run's people, call"
        f" {_reconcile()}: it counts them as another program's",
    )


def _gap(node: str, signer: Signer, nonces: Sequence[int]) -> ReconcileError:
    return ReconcileError(
        f"nonce {_listed(nonces)} of {to_hex(signer.address)} was used by another program, and {node} does not have that"
        " transaction any more: its chain went back. Until this nonce is used, none of this run's transactions after it can"
        " be mined",
        hint="nothing was sent. If that program sends it again, run the same command afterwards. If not, call"
        f" {_reconcile()}: it uses up the nonce with a transfer of nothing",
    )


def _doubtful(signer: Signer, doubts: Mapping[ChainTransaction, str], taken: Sequence[LedgerRow]) -> ReconcileError:
    lines = [
        f"\n  nonce {one.nonce}, {to_hex(one.hash)} in block {one.block}: {doubt}"
        for one, doubt in list(doubts.items())[:_NAMED]
    ]
    more = f"\n  and {counted(len(doubts) - _NAMED, 'other')}" if len(doubts) > _NAMED else ""
    used = {row.nonce: row for row in taken}
    ours = next((used[one.nonce] for one in doubts if one.nonce in used), None)
    mine = (
        f"; nonce {ours.nonce} of {to_hex(signer.address)} was taken by another transaction, so {ours.purpose} of person"
        f" {ours.person} in {to_hex(ours.hash)} can no longer be mined"
        if ours
        else ""
    )
    return ReconcileError(
        f"{counted(len(doubts), 'transaction')} of {to_hex(signer.address)} {agreeing(len(doubts), 'are')} on the"
        " chain that this state does not know: it is an older copy, or another program has used the same key. Whether they"
        f" paid this run's people cannot be told{mine}:{''.join(lines)}{more}",
        hint="nothing was sent. If there is a newer copy of the state, put it back and run the same command again. If it is"
        f" certain that these transactions paid none of this run's people, call {_reconcile()}: it counts them as another"
        " program's, and pays everybody whom this state does not know to be paid",
    )


def _listed(nonces: Sequence[int]) -> str:
    """As 17, or 17 to 20."""
    return str(nonces[0]) if len(nonces) == 1 else f"{nonces[0]} to {nonces[-1]}"
