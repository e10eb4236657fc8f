"""Transactions whose gas price is too low for the chain: finds them out, and signs others in their place where that is allowed.

The price of a signed transaction cannot be changed. Another one with the same nonce and the same call takes its place; both
stay in the ledger, and whichever of them is mined ends the transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cicscenario.chain.abi import to_hex
from cicscenario.chain.envelope import fees_of, gas_price_of
from cicscenario.chain.gasprice import at, raised
from cicscenario.chain.proof import SentCall
from cicscenario.chain.rpc import Rpc, RpcError, protocol_errors
from cicscenario.chain.signer import Signer
from cicscenario.errors import CicScenarioError, ReconcileError
from cicscenario.state.rows import LedgerRow
from cicscenario.wording import agreeing, counted


@dataclass(frozen=True)
class LowPrice:
    """A gas price (wei) that is too low, and why. ``enough`` is one that is not; ``allowed``: it may be paid.

    ``own``: the transaction is of the run's signer; else somebody signed for themselves, and it is not replaced.
    """

    row: LedgerRow
    price: int
    enough: int
    why: str
    allowed: bool
    own: bool = True

    def error(self, node: str, seconds: float) -> ReconcileError:
        return ReconcileError(
            f"no transaction was mined on {node} for {seconds:.0f} seconds: {self.row.purpose} of person {self.row.person}"
            f" (nonce {self.row.nonce}, {to_hex(self.row.hash)}) was signed at a gas price of {self.price:,} wei, and"
            f" {self.why}. At least {self.enough:,} wei would be enough",
            hint="it is mined, with all after it, when the price falls; then run the same command again"
            + (self._replaced if self.own else ". What people sign for themselves is not replaced: they pay for it"),
        )

    @property
    def _replaced(self) -> str:
        return (
            f". Or set `chain.max_gas_price` in the environment file, to {self.enough} or more: transactions that wait are then"
            " replaced, each by one with the same nonce and a higher price, and nobody is paid twice"
        )


class Fees:
    """``most`` is the highest gas price (wei) at which a transaction may be replaced; None when none may."""

    def __init__(self, rpc: Rpc, signer: Signer, most: int | None) -> None:
        self._rpc = rpc
        self._signer = signer
        self._most = most
        self.refused: str | None = None  #: what the node said when it refused a transaction because of its price
        self.low: LowPrice | None = None  #: what was found at the last look
        self.least = 0  #: wei: the highest price at which transactions were replaced

    def moved(self) -> None:
        """Transactions were accepted or mined."""
        self.refused = self.low = None

    def raised(self, rows: Sequence[LedgerRow]) -> dict[bytes, LedgerRow]:
        """New transactions for those of ``rows``, in nonce order, whose price is too low, by the hash of the replaced.

        None when the price is not too low, or may not be raised. Raises ReconcileError when the signer cannot pay for them.
        """
        own = [row for row in rows if row.signer == self._signer.address]
        self.low = low = self.too_low((own or rows)[0]) if rows else None
        if low is None or not low.allowed:
            return {}
        new = self.replacements(own, low.enough)
        self.least = max(self.least, low.enough)
        self.moved()
        return new

    def too_low(self, row: LedgerRow) -> LowPrice | None:
        """Whether the price of a transaction that is not mined is too low at present; None when it is not."""
        with protocol_errors(self._rpc):
            block, suggested = self._rpc.results([("eth_getBlockByNumber", ["latest", False]), ("eth_gasPrice", [])])
            if isinstance(block, RpcError):
                raise block
            base = int(block.get("baseFeePerGas") or "0x0", 16)
            asked = 0 if isinstance(suggested, RpcError) else int(suggested, 16)
        price = gas_price_of(row.raw)
        if base > price:
            why = f"the base fee of the newest block is {base:,} wei"
        elif self.refused:
            why = f"the node refuses it: {self.refused}"
        else:
            return None
        least = max(base, raised(price))
        enough = max(asked, 2 * base, raised(price) if base > price else 2 * price)
        own = row.signer == self._signer.address
        allowed = own and self._most is not None and self._most >= least
        return LowPrice(row, price, min(enough, self._most) if self._most and allowed else enough, why, allowed, own)

    def replacements(self, rows: Sequence[LedgerRow], price: int) -> dict[bytes, LedgerRow]:
        """New transactions at ``price`` (wei) for those of ``rows`` that have a lower one, by the hash of the replaced.

        Each has the type of the one that it replaces; of EIP-1559, both fees rise.
        """
        old = [row for row in rows if raised(gas_price_of(row.raw)) <= price]
        calls = [SentCall.of(row.raw) for row in old]
        needed = sum(row.gas * price + call.value for row, call in zip(old, calls, strict=True))
        with protocol_errors(self._rpc):
            held = int(self._rpc.call("eth_getBalance", to_hex(self._signer.address), "latest"), 16)
        if needed > held:
            raise _too_poor(self._signer, len(old), price, needed, held)
        new = {}
        for row, call in zip(old, calls, strict=True):
            signed = self._signer.sign(
                nonce=row.nonce,
                gas_price=at(fees_of(row.raw), price),
                gas=row.gas,
                to=call.to,
                value=call.value,
                data=call.data,
            )
            new[row.hash] = LedgerRow(
                row.purpose, row.person, row.signer, row.nonce, signed.hash, signed.raw, row.gas, "signed"
            )
        return new


def _too_poor(signer: Signer, number: int, price: int, needed: int, held: int) -> CicScenarioError:
    return ReconcileError(
        f"{counted(number, 'transaction')} {agreeing(number, 'wait')} with a gas price that is too low,"
        f" and {to_hex(signer.address)} cannot pay for that at {price:,} wei: needs {needed:,} wei, has {held:,} wei",
        hint=f"send native currency to {to_hex(signer.address)}, and run the same command again",
    )
