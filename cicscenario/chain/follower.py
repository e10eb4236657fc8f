"""Follows the chain block by block and reports which of our transactions have ended, and how.

A mined transaction is found in its block's list of hashes. The logs of the contracts, read for many blocks at a time, prove
that a call had its effect (see ``chain.proof``); a plain transfer of value cannot fail once it is mined. Only where
neither is enough, the receipt is read, since receipts are slow; its logs must give the same proof.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cicscenario.chain.abi import from_hex, revert_reason, to_hex
from cicscenario.chain.proof import Log, ProofVerdict, SentCall, judge
from cicscenario.chain.rpc import Call, Rpc, RpcError, protocol_errors
from cicscenario.errors import UnavailableError
from cicscenario.state.rows import LedgerRow

PLAIN_TRANSFER_GAS = 21_000  #: gas of a transfer of value; with this gas limit no contract code can run
_BLOCKS_AT_ONCE = 20


@dataclass(frozen=True)
class End:
    """How a transaction ended. ``detail`` says why it failed, or how its effect differs from the intended one."""

    row: LedgerRow
    ok: bool
    block: int
    detail: str | None = None


class Follower:
    """Reads each block once it has ``confirmations`` blocks on top, from the first that has not when the follower is created.

    A transaction in a block with fewer on top has not ended, since a reorganisation may still remove it. Raises
    UnavailableError when the node does not answer, or lacks a block that it reported.
    """

    def __init__(self, rpc: Rpc, contracts: Collection[bytes], confirmations: int = 0) -> None:
        self._rpc = rpc
        self._contracts = [to_hex(address) for address in contracts]
        self.confirmations = confirmations
        with protocol_errors(rpc):
            self.block = self._newest()

    def _newest(self) -> int:
        return self._confirmed(self._rpc.call("eth_blockNumber"))

    def _confirmed(self, newest: str) -> int:
        return max(0, int(newest, 16) - self.confirmations)

    def ends(self, watched: Mapping[bytes, LedgerRow]) -> list[End]:
        """Which of the transactions in ``watched`` (by hash) ended in the next few blocks, and how."""
        with protocol_errors(self._rpc):
            newest = self._newest()
            if self.block >= newest:
                return []
            stop = min(self.block + _BLOCKS_AT_ONCE, newest)
            ends = self._read(self.block + 1, stop, watched)
        self.block = stop  # after reading: if that fails, the next call reads the same blocks
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
        undecided: list[LedgerRow] = []
        for number, block in enumerate(blocks, first):
            if block is None:
                raise UnavailableError(f"{self._rpc.name} has no block {number}, although it reported block {last}")
            for text in block["transactions"]:
                row = watched.get(from_hex(text))
                if row is None:
                    continue
                verdict = self._by_logs(row, logs_of.get((block["hash"], text), []))
                if verdict:
                    ends.append(End(row, verdict.ok, number, verdict.detail))
                else:
                    undecided.append(row)
        return ends + self.receipts(undecided)

    def _by_logs(self, row: LedgerRow, logs: Sequence[Log]) -> ProofVerdict | None:
        """The verdict on a mined transaction by its logs, or None where the receipt is needed."""
        if row.gas == PLAIN_TRANSFER_GAS:
            return ProofVerdict(ok=True)
        if not logs:  # it may have reverted, or called a contract whose logs were not read
            return None
        verdict = judge(row, logs, self._contracts)
        return verdict if verdict.ok else None

    def receipts(self, rows: Sequence[LedgerRow]) -> list[End]:
        """Ends by receipt. Transactions without a receipt, or with too few confirmations, are left out."""
        if not rows:
            return []
        with protocol_errors(self._rpc):
            newest, *receipts = self._rpc.calls(
                [("eth_blockNumber", []), *(("eth_getTransactionReceipt", [to_hex(row.hash)]) for row in rows)]
            )
            ended = [
                (row, receipt)
                for row, receipt in zip(rows, receipts, strict=True)
                if receipt is not None and int(receipt["blockNumber"], 16) <= self._confirmed(newest)
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
        """Why transactions reverted, by hash; found by repeating each with ``eth_call``."""
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
        """Those of ``rows``, all of one signer, that can never be mined, because other transactions used their nonces.

        The nonce and the transactions are read in one request. A load balancer may pass two requests to two nodes, and a
        nonce from a node that is ahead, together with a transaction missing on one that lags, would prove nothing.
        """
        with protocol_errors(self._rpc):
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
                    continue  # without the nonce, such as on a node that keeps no old state, nothing is proved
                taken += [
                    row
                    for row, answer in zip(part, answers, strict=True)
                    if answer is None and row.nonce < int(used, 16)
                ]
            return taken


def _reason(row: LedgerRow, answer: Any | RpcError) -> str:
    if isinstance(answer, RpcError):
        return revert_reason(answer.data) or answer.text
    return f"the gas limit of {row.gas} was not enough, or the contract's state has changed since"
