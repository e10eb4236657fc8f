"""Follows the chain block by block and reports which of our transactions have ended, and how.

A mined transaction is found in its block's list of hashes. The logs of the contracts, read for many blocks at a time, prove
that a call had its effect (see ``chain.proof``); a plain transfer of value cannot fail once it is mined. Only where
neither is enough, the receipt is read, since receipts are slow; its logs must give the same proof.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from cicscenario.chain.abi import from_hex, revert_reason, to_hex
from cicscenario.chain.proof import Log, ProofVerdict, SentCall, judge
from cicscenario.chain.rpc import Call, Rpc, RpcError, protocol_errors
from cicscenario.chain.trace import BlockTrace, hashes, spread
from cicscenario.errors import UnavailableError
from cicscenario.state.rows import LedgerRow

PLAIN_TRANSFER_GAS = 21_000  #: gas of a transfer of value; with this gas limit no contract code can run
BLOCKS_AT_ONCE = 20  #: blocks that are read in one request
_LAG = 10.0  # seconds after which a node with fewer blocks than before is no longer taken for one that lags


@dataclass(frozen=True)
class End:
    """How a transaction ended. ``detail`` says why it failed, or how its effect differs from the intended one."""

    row: LedgerRow
    ok: bool
    block: int
    detail: str | None = None


class Follower:
    """Reads each block once it has ``confirmations`` blocks on top, from the first that has not when the follower is created.

    A transaction in a block with fewer on top has not ended, since a reorganisation may still remove it. Behind one address
    there may be several nodes, of different heights: what one reports and another lacks is read again the next time. Raises
    UnavailableError when the node does not answer, or lacks the next block although it reported a later one.

    When the chain has other blocks than those that were read, the follower goes back to the newest one that both have; see
    ``undone``. A node that has fewer blocks than before may only lag; that its chain was set back is believed after
    ``lag`` seconds, or when its newest block is another one. ``clock`` gives seconds.
    """

    def __init__(
        self,
        rpc: Rpc,
        contracts: Collection[bytes],
        confirmations: int = 0,
        *,
        lag: float = _LAG,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rpc = rpc
        self._lag = lag
        self._clock = clock
        self._lower_since: float | None = None  # when the node was first seen with fewer blocks than were read
        self._undone: int | None = None
        self.trace = BlockTrace()
        self._contracts = [to_hex(address) for address in contracts]
        self.confirmations = confirmations
        self._log_range = BLOCKS_AT_ONCE  # blocks of one eth_getLogs that the node accepts; 0: it has no such method
        self._undecided: dict[bytes, LedgerRow] = {}  # seen in a block; the receipt was not there yet
        with protocol_errors(rpc):
            self.block = self._newest()
            for number, digest in hashes(rpc, spread(self.block)).items():
                self.trace.add(number, digest)
        self._highest = self.block

    @property
    def is_behind(self) -> bool:
        """Whether the node has fewer blocks than this has read: what it refuses now, it may accept when it has caught up."""
        return self._lower_since is not None or self.block < self._highest

    @property
    def undone(self) -> int | None:
        """The newest block that is left of those that were read, after some are gone; None when all is taken back."""
        return self._undone

    def taken_back(self) -> None:
        """What ended in the blocks that are gone is taken back."""
        self._undone = None

    def look_back(self) -> bool:
        """Looks whether the blocks that were read are still there. False: the node has fewer blocks, and may only lag."""
        with protocol_errors(self._rpc):
            newest = self._newest()
            if newest < self.block:
                self._has_fewer(newest)
            elif self.trace.ancestor(self._rpc) is not None:
                self._go_back()
            return self._lower_since is None

    def _has_fewer(self, newest: int) -> None:
        now = self._clock()
        self._lower_since = now if self._lower_since is None else self._lower_since
        block = self._rpc.call("eth_getBlockByNumber", hex(newest), False)
        other = block is not None and not self.trace.add(newest, block["hash"])
        if other or now - self._lower_since >= self._lag:
            self._go_back()

    def _go_back(self) -> None:
        """To the newest block that the chain still has of those that were read."""
        ancestor = self.trace.ancestor(self._rpc)
        self._lower_since = None
        if ancestor is None:
            return
        self.trace.cut(ancestor)
        self.block = min(self.block, ancestor)
        self._undecided = {}
        self._undone = ancestor if self._undone is None else min(self._undone, ancestor)

    def _newest(self) -> int:
        return self._confirmed(self._rpc.call("eth_blockNumber"))

    def _confirmed(self, newest: str) -> int:
        return max(0, int(newest, 16) - self.confirmations)

    def ends(self, watched: Mapping[bytes, LedgerRow]) -> list[End]:
        """Which of the transactions in ``watched`` (by hash) ended in the next few blocks, and how."""
        with protocol_errors(self._rpc):
            ends = self._receipts_of_undecided(watched)
            newest = self._newest()
            if newest < self.block:
                self._has_fewer(newest)
                return ends
            self._lower_since = None
            if self.block == newest:
                return ends
            return ends + self._read(self.block + 1, min(self.block + BLOCKS_AT_ONCE, newest), watched)

    def _receipts_of_undecided(self, watched: Mapping[bytes, LedgerRow]) -> list[End]:
        self._undecided = {found: row for found, row in self._undecided.items() if found in watched}
        ends = self.receipts(list(self._undecided.values())) if self._undecided else []
        for end in ends:
            del self._undecided[end.row.hash]
        return ends

    def _read(self, first: int, last: int, watched: Mapping[bytes, LedgerRow]) -> list[End]:
        """Reads the blocks from ``first`` to ``last``, or as far as the node has them, and moves on."""
        blocks, logs = self._blocks_and_logs(first, last)
        if not self._are_next(first, blocks):
            self._go_back()
            return []
        logs_of: dict[tuple[str, str], list[Log]] = {}
        for log in logs:
            logs_of.setdefault((log["blockHash"], log["transactionHash"]), []).append(log)
        ends: list[End] = []
        undecided: list[LedgerRow] = []
        for number, block in enumerate(blocks, first):
            for text in block["transactions"]:
                row = watched.get(from_hex(text))
                if row is None:
                    continue
                verdict = self._by_logs(row, logs_of.get((block["hash"], text), []))
                if verdict:
                    ends.append(End(row, verdict.ok, number, verdict.detail))
                else:
                    undecided.append(row)
        by_receipt = self.receipts(undecided) if undecided else []
        known = {end.row.hash for end in by_receipt}
        # Only now: if anything of this fails, the next call reads the same blocks.
        self._undecided |= {row.hash: row for row in undecided if row.hash not in known}
        self.block = first + len(blocks) - 1
        self._highest = max(self._highest, self.block)
        return ends + by_receipt

    def _are_next(self, first: int, blocks: Sequence[Mapping[str, Any]]) -> bool:
        """Whether these blocks follow those that were read; if so, their hashes are kept. Else nothing of them counts."""
        parents = all(self.trace.add(number - 1, block.get("parentHash")) for number, block in enumerate(blocks, first))
        return parents and all(self.trace.add(number, block["hash"]) for number, block in enumerate(blocks, first))

    def _blocks_and_logs(self, first: int, last: int) -> tuple[list[Mapping[str, Any]], list[Log]]:
        """The blocks, up to the first that the node lacks, and the logs of the contracts in them, as far as it gives any."""
        numbers = range(first, last + 1)
        asked = self._log_calls(first, last)
        answers = self._rpc.results([("eth_getBlockByNumber", [hex(number), False]) for number in numbers] + asked)
        found, logs = answers[: len(numbers)], answers[len(numbers) :]
        for block in found:
            if isinstance(block, RpcError):
                raise block
        while refused := [answer for answer in logs if isinstance(answer, RpcError)]:
            self._limit_logs(refused[0])
            asked = self._log_calls(first, last)
            logs = self._rpc.results(asked) if asked else []
        blocks: list[Any] = list(takewhile(lambda block: block is not None, found))
        if not blocks:
            raise UnavailableError(
                f"{self._rpc.name} has no block {first}, although it reported block {last}",
                hint="a node that lags behind another at the same address may be the cause",
            )
        return blocks, [log for part in logs for log in _logs(part)]

    def _log_calls(self, first: int, last: int) -> list[Call]:
        if not self._log_range:
            return []
        return [
            (
                "eth_getLogs",
                [
                    {
                        "fromBlock": hex(start),
                        "toBlock": hex(min(start + self._log_range - 1, last)),
                        "address": self._contracts,
                    }
                ],
            )
            for start in range(first, last + 1, self._log_range)
        ]

    def _limit_logs(self, error: RpcError) -> None:
        """The node refused to give logs: fewer blocks are asked for at a time, and in the end none. Receipts prove the same."""
        if error.is_transient:
            raise error
        self._log_range = 0 if error.is_missing_method else self._log_range // 2

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
                if _is_mined(receipt) and int(receipt["blockNumber"], 16) <= self._confirmed(newest)
            ]
            for _, receipt in ended:
                self.trace.add(int(receipt["blockNumber"], 16), receipt.get("blockHash"))
            reasons = self._reasons([row for row, receipt in ended if _reverted(receipt)])
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
        """Those of ``rows`` that can never be mined, because other transactions used their nonces.

        The nonce and the transactions are read in one request, as far as the node takes several calls in one. A load
        balancer may pass two requests to two nodes, and a nonce from a node that is ahead, together with a transaction
        missing on one that lags, would prove nothing. So look several times before you believe it.
        """
        with protocol_errors(self._rpc):
            block = hex(self._newest()) if self.confirmations and rows else "latest"
            return [row for row, used in self._unknown(rows, block) if row.nonce < used]

    def used_by_others(self, rows: Sequence[LedgerRow]) -> list[LedgerRow]:
        """The same in the newest block, however many are on top: a first look, to find out which transactions used them."""
        with protocol_errors(self._rpc):
            return [row for row, used in self._unknown(rows, "latest") if row.nonce < used]

    def free(self, rows: Sequence[LedgerRow]) -> list[LedgerRow]:
        """Those of ``rows`` that the node does not know, and whose nonces are not used in its newest block."""
        with protocol_errors(self._rpc):
            return [row for row, used in self._unknown(rows, "latest") if row.nonce >= used]

    def _unknown(self, rows: Sequence[LedgerRow], block: str) -> list[tuple[LedgerRow, int]]:
        """Those of ``rows`` that the node does not know, each with its signer's next nonce at ``block``."""
        found: list[tuple[LedgerRow, int]] = []
        one_signer = len({row.signer for row in rows}) == 1
        step = max(1, self._rpc.batch - 1 if one_signer else self._rpc.batch // 2)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            signers = list(dict.fromkeys(row.signer for row in part))
            answers = self._rpc.results(
                [
                    *(("eth_getTransactionCount", [to_hex(signer), block]) for signer in signers),
                    *(("eth_getTransactionByHash", [to_hex(row.hash)]) for row in part),
                ]
            )
            used = dict(zip(signers, answers, strict=False))
            for row, answer in zip(part, answers[len(signers) :], strict=True):
                nonce = used[row.signer]
                # Without the nonce, such as on a node that keeps no old state, nothing is proved.
                if answer is None and not isinstance(nonce, RpcError):
                    found.append((row, int(nonce, 16)))
        return found


def _logs(answer: Any) -> Sequence[Log]:
    """The logs that are told. Some nodes answer null instead of a list, which proves nothing."""
    return answer if isinstance(answer, list) and all(isinstance(log, dict) for log in answer) else ()


def _is_mined(receipt: Mapping[str, Any] | None) -> bool:
    """Some nodes give a receipt of a transaction that is in no block yet."""
    return receipt is not None and receipt["blockNumber"] is not None


def _reverted(receipt: Mapping[str, Any]) -> bool:
    """Receipts of chains before Byzantium have the state's ``root`` and no status. There the logs alone give the proof."""
    if receipt.get("status") is None and "root" in receipt:
        return False
    return int(receipt["status"], 16) != 1


def _reason(row: LedgerRow, answer: Any | RpcError) -> str:
    if isinstance(answer, RpcError):
        return revert_reason(answer.data) or answer.text
    return f"the gas limit of {row.gas} was not enough, or the contract's state has changed since"
