"""What is said when a transaction is refused, when its nonce was used by another one, or when nothing moves."""

from collections.abc import Sequence

from cicscenario.chain.abi import to_hex
from cicscenario.errors import CicScenarioError, ReconcileError, StepFailedError, UnavailableError
from cicscenario.state.rows import LedgerRow
from cicscenario.wording import agreeing, counted


def nonce_taken(rows: Sequence[LedgerRow], said: str = "") -> ReconcileError:
    row, more = rows[0], f", and {counted(len(rows) - 1, 'other')}" if len(rows) > 1 else ""
    return ReconcileError(
        f"nonce {row.nonce} of 0x{row.signer.hex()} was taken by another transaction{said and f' ({said})'};"
        f" {row.purpose} of person {row.person} in {to_hex(row.hash)}{more} can no longer be mined",
        hint="another run or another program has used the same key. Run the same command again: it looks up what that"
        " transaction was, pays nobody twice, and asks you where it cannot tell. If there are several nodes behind the"
        " address, one that lags may be the cause: run again when it has caught up",
    )


def not_accepted(node: str, row: LedgerRow, said: str) -> StepFailedError:
    return StepFailedError(
        f"{node} will not accept {row.purpose} of person {row.person}: {said}",
        hint=f"correct the cause (the signer is 0x{row.signer.hex()}), and run the same command again",
    )


def no_hash(node: str, row: LedgerRow, answer: object) -> UnavailableError:
    return UnavailableError(f"{node} answers transaction {to_hex(row.hash)} with {answer!r:.80} instead of its hash")


def contradiction(node: str, row: LedgerRow, said: str) -> ReconcileError:
    return ReconcileError(
        f"{node} refuses {row.purpose} of person {row.person} ({said}), although according to its own count of transactions"
        f" nonce {row.nonce} of 0x{row.signer.hex()} is free, and it does not know transaction {to_hex(row.hash)}",
        hint="a node that lags behind may be the cause: run the same command again when it has caught up. Every transaction"
        " is in the ledger, and nobody is paid twice",
    )


def stalled(
    node: str, rows: Sequence[LedgerRow], seconds: float, block: int, confirmations: int, last: CicScenarioError | None
) -> UnavailableError:
    """``rows`` are in flight, ``block`` is the newest that was read, and ``last`` the last error."""
    row = rows[0]
    seen = f"the newest block read is {block}"
    if confirmations:
        seen += f", with the {confirmations} blocks on top that `chain.confirmations` requires"
    error = f"; last error: {last.message}" if last else ""
    return UnavailableError(
        f"no transaction was mined on {node} for {seconds:.0f} seconds, {len(rows)} {agreeing(len(rows), 'are')} in flight,"
        f" the first {to_hex(row.hash)} (nonce {row.nonce}); {seen}{error}",
        hint="every transaction is in the ledger; run the same command again when the node mines blocks",
    )


def not_looked_back(node: str, seconds: float, block: int, last: CicScenarioError | None) -> UnavailableError:
    """All transactions have ended. ``block`` is the newest that was read, and ``last`` the last error."""
    error = f"; last error: {last.message}" if last else ""
    return UnavailableError(
        f"every transaction has ended, but for {seconds:.0f} seconds {node} has not shown that it still has their blocks; the"
        f" newest block read is {block}{error}",
        hint="run the same command again when the node answers and has caught up",
    )
