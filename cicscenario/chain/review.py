"""Compares the ledger with the chain before anything is sent: who has used the signer's nonces?

The state may be an older copy, or lack its last part; a copy of it may have run on another machine; another program may use
the same key. Then the chain has transactions that the ledger does not know. Each is looked up. One that this run would send
is adopted, so that nobody is paid twice; one that has nothing to do with this run is left alone; if one cannot be told,
nothing is sent.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cicscenario.chain.abi import to_hex
from cicscenario.chain.envelope import ChainTransaction
from cicscenario.chain.filler import filler
from cicscenario.chain.follower import End, Follower
from cicscenario.chain.lookup import NonceLookup
from cicscenario.chain.proof import SentCall
from cicscenario.chain.rpc import Rpc, protocol_errors
from cicscenario.chain.signer import Signer
from cicscenario.errors import ReconcileError
from cicscenario.retry import pause
from cicscenario.state.rows import LedgerRow
from cicscenario.state.store import Store

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


@dataclass
class _Decisions:
    """What is to be written: ends of transactions in the ledger, those that are replaced, and new rows."""

    ends: list[tuple[bytes, str, int, str | None]] = field(default_factory=list)
    replaced: list[LedgerRow] = field(default_factory=list)
    rows: list[LedgerRow] = field(default_factory=list)
    paid: set[tuple[str, int]] = field(default_factory=set)


class Review:
    """The comparison. ``gas_price`` (wei) is for transactions that use up a nonce.

    With ``reconcile`` transactions that cannot be told count as another program's. ``lag`` is how long (seconds) to wait for
    a node that knows fewer transactions than it counts. ``used``: the run directory was used before, so an empty state does
    not mean that nothing was sent. ``clock`` gives seconds.
    """

    def __init__(
        self,
        store: Store,
        rpc: Rpc,
        follower: Follower,
        signer: Signer,
        gas_price: int,
        *,
        recognise: Recogniser = unrecognised,
        reconcile: bool = False,
        lag: float = 60,
        used: bool = False,
        stopping: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._rpc = rpc
        self._follower = follower
        self._signer = signer
        self._gas_price = gas_price
        self._recognise = recognise
        self._reconcile = reconcile
        self._lag = lag
        self._used = used
        self._stopping = stopping
        self._clock = clock
        self._lookup = NonceLookup(rpc, signer.address)

    def run(self) -> int:
        """Writes what became of transactions into the ledger; sends nothing. Returns the signer's next free nonce.

        Raises ReconcileError when a transaction cannot be told, and UnavailableError when the node does not answer.
        """
        began = self._clock()
        while True:
            self._settle_outstanding()
            mined, pending, height = self._counts()
            taken = self._follower.used_by_others(self._store.outstanding(self._signer.address))
            wanted = self._unknown(mined, pending) | {row.nonce for row in taken}
            found, ends = self._look_up([nonce for nonce in wanted if nonce < mined], height)
            # The node has the block of some, and does not know them yet by their hashes: they will be settled.
            own = {row.nonce for row in taken if row.nonce in found and found[row.nonce].hash == row.hash}
            taken = [row for row in taken if row.nonce not in own]
            found = {nonce: one for nonce, one in found.items() if nonce not in own}
            late = self._clock() - began >= self._lag
            if wanted <= found.keys() or (late and self._reconcile):
                break
            if late:
                raise _not_found(self._rpc.name, self._signer, sorted(wanted - found.keys()))
            pause(min(_LOOK_AGAIN, self._lag), self._stopping)
        if wanted:
            self._decide(found, ends, taken, height)
        if "lineage" in self._store.meta() or self._store.known_nonces(self._signer.address, 0):
            self._store.set_meta({NONCES: str(mined)})
        return pending

    # --- what is to be looked up ------------------------------------------------------------------------------------

    def _settle_outstanding(self) -> None:
        rows = self._store.outstanding(self._signer.address)
        for start in range(0, len(rows), self._rpc.batch):
            self._store.settle(_written(end) for end in self._follower.receipts(rows[start : start + self._rpc.batch]))

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

    def _unknown(self, mined: int, pending: int) -> set[int]:
        """The nonces that are used, also by transactions that are pending in the node, and not in the ledger."""
        known = self._store.known_nonces(self._signer.address, 0)
        held = self._store.meta()
        if NONCES in held:
            first = int(held[NONCES])
        elif known:
            first = min(known)
        else:
            first = 0 if self._used or "lineage" in held else pending
        return set(range(first, pending)) - known

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
        height: int,
    ) -> None:
        """Writes all of it in one transaction, or raises ReconcileError and writes nothing."""
        doubts = {one: doubt for _, one in sorted(found.items()) if (doubt := self._doubt(one))}
        if doubts and not self._reconcile:
            raise _doubtful(self._signer, doubts, taken)
        decided = _Decisions()
        for row in taken:
            by = f" by {to_hex(found[row.nonce].hash)}" if row.nonce in found else ""
            decided.ends.append((row.hash, "failed", height, f"nonce {row.nonce} was used{by}"))
        gone = {row.hash for row in taken}
        for _, one in sorted(found.items()):
            self._adopt(decided, ends.get(one.hash, ()), gone)
        self._store.adopt(decided.ends, [row.hash for row in decided.replaced], decided.rows)

    def _doubt(self, one: ChainTransaction) -> str | None:
        recognised = self._recognise(one.call)
        if recognised.claims and one.raw is None:
            return "it is of a type that cannot be recorded"
        return recognised.doubt

    def _adopt(self, decided: _Decisions, ends: Sequence[End], gone: Collection[bytes]) -> None:
        """Takes a transaction into the ledger, for the first person and purpose that has no other one."""
        for end in ends:
            row, claim = end.row, (end.row.purpose, end.row.person)
            live = self._store.live_transactions(row.purpose, [row.person]).get(row.person)
            other = live if live and live.hash not in gone else None
            if end.ok and (claim in decided.paid or (other and self._is_in_a_block(other))):
                continue  # there is one that has paid already
            if end.ok and other:
                decided.replaced.append(other)
                decided.rows.append(filler(self._signer, other.nonce, self._gas_price))
            if end.ok:
                decided.paid.add(claim)
            if self._store.has_transaction(row.hash):
                decided.ends.append(_written(end))
            else:
                status = "mined" if end.ok else "failed"
                detail = end.detail or f"found on the chain, in block {end.block}"
                decided.rows.append(replace(row, status=status, block=end.block, detail=detail))
            return

    def _is_in_a_block(self, row: LedgerRow) -> bool:
        if row.status == "mined":
            return True
        with protocol_errors(self._rpc):
            known = self._rpc.call("eth_getTransactionByHash", to_hex(row.hash))
            return known is not None and known.get("blockNumber") is not None


def _written(end: End) -> tuple[bytes, str, int, str | None]:
    return end.row.hash, "mined" if end.ok else "failed", end.block, end.detail


def _not_found(node: str, signer: Signer, nonces: Sequence[int]) -> ReconcileError:
    return ReconcileError(
        f"{node} counts transactions of {to_hex(signer.address)} that this state does not know (nonce"
        f" {_listed(nonces)}), and what they are could not be found out: they are not mined yet, the node lags, or it gives"
        " no blocks that are so old",
        hint="nothing was sent. Run the same command again when they are mined. If there is a newer copy of the state,"
        " put it back first. If it is certain that these transactions paid none of this run's people, run with"
        " --reconcile: it counts them as another program's",
    )


def _doubtful(signer: Signer, doubts: Mapping[ChainTransaction, str], taken: Sequence[LedgerRow]) -> ReconcileError:
    lines = [
        f"\n  nonce {one.nonce}, {to_hex(one.hash)} in block {one.block}: {doubt}"
        for one, doubt in list(doubts.items())[:_NAMED]
    ]
    more = f"\n  and {len(doubts) - _NAMED} others" if len(doubts) > _NAMED else ""
    used = {row.nonce: row for row in taken}
    ours = next((used[one.nonce] for one in doubts if one.nonce in used), None)
    mine = (
        f"; nonce {ours.nonce} of {to_hex(signer.address)} was taken by another transaction, so {ours.purpose} of person"
        f" {ours.person} in {to_hex(ours.hash)} can no longer be mined"
        if ours
        else ""
    )
    return ReconcileError(
        f"{len(doubts)} transactions of {to_hex(signer.address)} are on the chain that this state does not know: it is an"
        f" older copy, or another program has used the same key. Whether they paid this run's people cannot be"
        f" told{mine}:{''.join(lines)}{more}",
        hint="nothing was sent. If there is a newer copy of the state, put it back and run the same command again. If it is"
        " certain that these transactions paid none of this run's people, run with --reconcile: it counts them as another"
        " program's, and pays everybody whom this state does not know to be paid",
    )


def _listed(nonces: Sequence[int]) -> str:
    """As 17, or 17 to 20."""
    return str(nonces[0]) if len(nonces) == 1 else f"{nonces[0]} to {nonces[-1]}"
