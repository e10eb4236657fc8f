"""Holds a state against itself, and its transactions against the chain."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice

from cicscenario.chain.abi import to_hex
from cicscenario.chain.rpc import Rpc, protocol_errors
from cicscenario.keccak import keccak
from cicscenario.state.rows import LedgerRow
from cicscenario.state.salvage import Salvage


def contradictions(found: Salvage) -> Iterator[str]:
    """What rows of a state say that other rows contradict. Each row is sound by itself."""
    people = {row[0] for row in found.sound("people")}
    for table, at in (("outcomes", 1), ("ledger", 2), ("requests", 2)):
        strangers = sorted({row[at] for row in found.sound(table)} - people)
        for person in strangers:
            yield f"{table}: person {person} is not among the people"
    done = {(row[0], row[1]) for row in found.sound("outcomes") if row[2]}
    statuses: dict[tuple[str, int], list[str]] = defaultdict(list)
    nonces: dict[bytes, list[int]] = defaultdict(list)
    for row in ledger(found):
        where = f"ledger: {row.purpose} of person {row.person}, {to_hex(row.hash)},"
        if keccak(row.raw) != row.hash:
            yield f"{where} has other bytes than its hash says"
        if row.status in ("mined", "failed") and row.block is None:
            yield f"{where} is {row.status} in no block"
        statuses[row.purpose, row.person].append(row.status)
        nonces[row.signer].append(row.nonce)
    for (purpose, person), those in statuses.items():
        if (purpose, person) in done and "mined" not in those:
            yield f"outcomes: {purpose} of person {person} is done, and its transaction is {', '.join(those)}"
        if those.count("mined") > 1:
            yield f"ledger: {purpose} of person {person} is mined {those.count('mined')} times"


def nonce_ranges(found: Salvage) -> dict[bytes, tuple[int, int, int]]:
    """Per signer: its first and last nonce in the ledger, and how many between them it does not have."""
    nonces: dict[bytes, set[int]] = defaultdict(set)
    for row in ledger(found):
        nonces[row.signer].add(row.nonce)
    return {
        signer: (min(those), max(those), max(those) - min(those) + 1 - len(those)) for signer, those in nonces.items()
    }


def ledger(found: Salvage) -> Iterator[LedgerRow]:
    """The sound transactions."""
    return (LedgerRow(*row[1:]) for row in found.sound("ledger"))


def unlike_the_chain(found: Salvage, rpc: Rpc) -> Iterator[str]:
    """What the ledger says of transactions, and the chain's receipts do not. Raises UnavailableError."""
    rows = ledger(found)
    while part := list(islice(rows, rpc.batch)):
        with protocol_errors(rpc):
            receipts = rpc.calls([("eth_getTransactionReceipt", [to_hex(row.hash)]) for row in part])
            for row, receipt in zip(part, receipts, strict=True):
                if difference := _difference(
                    row, receipt and (int(receipt["status"], 16), int(receipt["blockNumber"], 16))
                ):
                    yield f"ledger: {row.purpose} of person {row.person}, {to_hex(row.hash)}, {difference}"


def _difference(row: LedgerRow, receipt: tuple[int, int] | None) -> str | None:
    """``receipt`` is the status and the block; None when the chain has none."""
    if receipt is None:
        return f"is {row.status} in block {row.block}, and the chain has no receipt" if row.status == "mined" else None
    ended, block = "mined" if receipt[0] else "failed", receipt[1]
    if row.status == "replaced" and ended == "mined":
        return f"is replaced, and the chain has it in block {block}"
    if row.status in ("mined", "failed") and (row.status != ended or (row.status == "mined" and row.block != block)):
        return f"is {row.status} in block {row.block}, and {ended} in block {block} on the chain"
    return None
