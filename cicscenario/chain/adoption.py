"""Takes transactions into the ledger that were sent for this run's people without it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cicscenario.chain.abi import to_hex
from cicscenario.chain.filler import filler
from cicscenario.chain.follower import End
from cicscenario.chain.gasprice import GasPrice
from cicscenario.chain.rpc import Rpc, protocol_errors
from cicscenario.chain.signer import Signer
from cicscenario.state.rows import LedgerRow
from cicscenario.state.store import Store


def written(end: End) -> tuple[bytes, str, int, str | None]:
    """An end as the state takes it."""
    return end.row.hash, "mined" if end.ok else "failed", end.block, end.detail


@dataclass
class Adoption:
    """What is to be written, in one transaction: ends of transactions, those that are replaced, and new rows.

    ``gas_price`` (wei) is for transactions that use up a nonce. ``person`` is who signs for themselves; None for the run's own
    signer.
    """

    store: Store
    rpc: Rpc
    signer: Signer
    gas_price: GasPrice
    person: int | None = None
    ends: list[tuple[bytes, str, int, str | None]] = field(default_factory=list)
    replaced: list[LedgerRow] = field(default_factory=list)
    rows: list[LedgerRow] = field(default_factory=list)
    _paid: set[tuple[str, int]] = field(default_factory=set)
    _gone: set[bytes] = field(default_factory=set)

    def fail(self, row: LedgerRow, block: int, why: str) -> None:
        """A transaction of the ledger can never be mined."""
        self.ends.append((row.hash, "failed", block, why))
        self._gone.add(row.hash)

    def use_up(self, nonce: int) -> None:
        """A transaction that does nothing is to be sent with this nonce."""
        self.rows.append(filler(self.signer, nonce, self.gas_price, self.person))

    def take(self, ends: Sequence[End]) -> None:
        """A transaction has ended, and ``ends`` has it for each purpose and person that it may be for.

        It is taken for the first of them that no other one has paid. If the ledger has one for the same that is still
        open, that one is not sent: its nonce is used up.
        """
        for end in ends:
            row, claim = end.row, (end.row.purpose, end.row.person)
            live = self.store.live_transactions(row.purpose, [row.person]).get(row.person)
            other = live if live and live.hash not in {row.hash, *self._gone} else None
            if end.ok and (claim in self._paid or (other and self._is_in_a_block(other))):
                continue  # there is one that has paid already
            if end.ok and other:
                self.replaced.append(other)
                self.use_up(other.nonce)
            if end.ok:
                self._paid.add(claim)
            if self.store.transaction(row.hash):
                self.ends.append(written(end))
            else:
                status = "mined" if end.ok else "failed"
                detail = end.detail or f"found on the chain, in block {end.block}"
                self.rows.append(replace(row, status=status, block=end.block, detail=detail))
            return

    def write(self) -> None:
        """Writes all of it."""
        self.store.adopt(self.ends, [row.hash for row in self.replaced], self.rows)

    def _is_in_a_block(self, row: LedgerRow) -> bool:
        if row.status == "mined":
            return True
        with protocol_errors(self.rpc):
            known = self.rpc.call("eth_getTransactionByHash", to_hex(row.hash))
            return known is not None and known.get("blockNumber") is not None
