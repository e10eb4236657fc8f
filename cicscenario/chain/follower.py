"""Follows the chain block by block and tells which of our transactions have ended, and how.

A transaction is found in its block's list of hashes. The logs of the contracts, asked for many blocks at a time, prove
that a call did its work (see ``chain.proof``); a plain transfer of value cannot fail once it is mined. Receipts, which
nodes give out slowly, are asked for only where neither settles it, and are held to the same proof.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cicscenario.chain.abi import from_hex, revert_reason, to_hex
from cicscenario.chain.proof import Log, ProofVerdict, SentCall, judge
from cicscenario.chain.rpc import Call, Rpc, RpcError, reading
from cicscenario.errors import UnavailableError
from cicscenario.state.rows import LedgerRow

PLAIN_TRANSFER_GAS = 21_000  #: what a transfer of value costs; with this limit nothing else can have run
_BLOCKS_AT_ONCE = 20


@dataclass(frozen=True)
class End:
    """How a transaction ended; ``detail`` says why it failed, or in what it differs from what was intended."""

    row: LedgerRow
    ok: bool
    block: int
    detail: str | None = None


class Follower:
    """Reads blocks that are ``confirmations`` deep, beginning behind the newest at the time of its making.

    Nothing in a block that is less deep has ended: it may be taken back. Raises UnavailableError when the node does not
    answer, or has not got a block that it told of.
    """

    def __init__(self, rpc: Rpc, contracts: Collection[bytes], confirmations: int = 0) -> None:
        self._rpc = rpc
        self._contracts = [to_hex(address) for address in contracts]
        self.confirmations = confirmations
        with reading(rpc):
            self.block = self._newest()

    def _newest(self) -> int:
        return self._deep(self._rpc.call("eth_blockNumber"))

    def _deep(self, newest: str) -> int:
        return max(0, int(newest, 16) - self.confirmations)

    def ends(self, watched: Mapping[bytes, LedgerRow]) -> list[End]:
        """What happened to the transactions in ``watched`` (by hash) in the next few blocks, if there are any."""
        with reading(self._rpc):
            newest = self._newest()
            if self.block >= newest:
                return []
            stop = min(self.block + _BLOCKS_AT_ONCE, newest)
            ends = self._read(self.block + 1, stop, watched)
        self.block = stop  # only now: what could not be read is read by the next call
        return ends

    def _read(self, first: int, last: int, watched: Mapping[bytes, LedgerRow]) -> list[End]:
        *blocks, logs = self._rpc.calls(
            [("eth_getBlockByNumber", [hex(number), False]) for number in range(first, last + 1)]
            + [("eth_getLogs", [{"fromBlock": hex(first), "toBlock": hex(last), "address": self._contracts}])]
        )
        logs_of: dict[tuple[str, str], list[Log]] = {}
        for log in logs:
            logs_of.setdefault((log["blockHash"], log["transactionHash"]), []).append(log)
        ends: list[End] = []
        doubtful: list[LedgerRow] = []
        for number, block in enumerate(blocks, first):
            if block is None:
                raise UnavailableError(f"{self._rpc.name} has no block {number}, though it told of block {last}")
            for text in block["transactions"]:
                row = watched.get(from_hex(text))
                if row is None:
                    continue
                verdict = self._by_logs(row, logs_of.get((block["hash"], text), []))
                if verdict:
                    ends.append(End(row, verdict.ok, number, verdict.detail))
                else:
                    doubtful.append(row)
        return ends + self.receipts(doubtful)

    def _by_logs(self, row: LedgerRow, logs: Sequence[Log]) -> ProofVerdict | None:
        """What a transaction's place in a block and the logs say of it, or None where only the receipt can tell."""
        if row.gas == PLAIN_TRANSFER_GAS:
            return ProofVerdict(ok=True)
        if not logs:  # it may have reverted, or have called a contract whose logs were not asked for
            return None
        verdict = judge(row, logs, self._contracts)
        return verdict if verdict.ok else None

    def receipts(self, rows: Sequence[LedgerRow]) -> list[End]:
        """Asks for receipts; transactions without one, or in a block that is not deep enough, are left out."""
        if not rows:
            return []
        with reading(self._rpc):
            newest, *receipts = self._rpc.calls(
                [("eth_blockNumber", []), *(("eth_getTransactionReceipt", [to_hex(row.hash)]) for row in rows)]
            )
            ended = [
                (row, receipt)
                for row, receipt in zip(rows, receipts, strict=True)
                if receipt is not None and int(receipt["blockNumber"], 16) <= self._deep(newest)
            ]
            reasons = self._reasons([row for row, receipt in ended if int(receipt["status"], 16) != 1])
            return [self._by_receipt(row, receipt, reasons) for row, receipt in ended]

    def _by_receipt(self, row: LedgerRow, receipt: Mapping[str, Any], reasons: Mapping[bytes, str]) -> End:
        block = int(receipt["blockNumber"], 16)
        if row.hash in reasons:
            return End(row, False, block, f"transaction {to_hex(row.hash)} reverted: {reasons[row.hash]}")
        verdict = judge(row, receipt["logs"], self._contracts)
        return End(row, verdict.ok, block, verdict.detail)

    def _reasons(self, reverted: Sequence[LedgerRow]) -> dict[bytes, str]:
        """Why transactions reverted, by hash: each is carried out once more, without being sent."""
        calls: list[Call] = []
        for row in reverted:
            message = SentCall.of(row.raw)
            fields = {
                "from": to_hex(row.signer),
                "to": to_hex(message.to),
                "data": to_hex(message.data),
                "value": hex(message.value),
            }
            calls.append(("eth_call", [fields, "latest"]))
        answers = self._rpc.results(calls)
        return {row.hash: _reason(row, answer) for row, answer in zip(reverted, answers, strict=True)}

    def taken(self, rows: Sequence[LedgerRow]) -> list[LedgerRow]:
        """Those of one signer's that can never be mined, because other transactions have used their nonces.

        The nonce and the transactions are asked for in one request: behind one address there may be several nodes, and
        the nonce of one that is ahead proves nothing together with the gaps of one that lags.
        """
        with reading(self._rpc):
            block = hex(self._newest()) if self.confirmations and rows else "latest"
            taken: list[LedgerRow] = []
            step = max(1, self._rpc.batch - 1)
            for start in range(0, len(rows), step):
                part = rows[start : start + step]
                used, *answers = self._rpc.results(
                    [
                        ("eth_getTransactionCount", [to_hex(part[0].signer), block]),
                        *(("eth_getTransactionByHash", [to_hex(row.hash)]) for row in part),
                    ]
                )
                if isinstance(used, RpcError):
                    continue  # the node keeps no state that old, so it cannot prove anything
                taken += [
                    row
                    for row, answer in zip(part, answers, strict=True)
                    if answer is None and row.nonce < int(used, 16)
                ]
            return taken


def _reason(row: LedgerRow, answer: Any | RpcError) -> str:
    if isinstance(answer, RpcError):
        return revert_reason(answer.data) or answer.text
    return f"it used up its gas limit of {row.gas}, or the contract's state has changed since"
