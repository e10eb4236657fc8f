"""Finds payments on the chain: by the Transfer logs of their payers, and by the receipts of their transactions.

Equal payments between the same two cannot be told apart in logs. So they are counted: a log of a transaction that no payment has
in the state is the first of those that are not known to be made.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cicscenario.backends.work.paymentservice import Order
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.payments import PlannedPayments, first_block, units
from cicscenario.capabilities.transfers import Transfer, transfer_in, transfers
from cicscenario.chain.abi import to_hex
from cicscenario.chain.contracts import TRANSFER_EVENT
from cicscenario.chain.reading import on_this_chain
from cicscenario.chain.rpc import Call, RpcError, protocol_errors
from cicscenario.payments.payment import Payment
from cicscenario.state.rows import PaymentRow


@dataclass(frozen=True)
class PaymentReceipt:
    """A transaction in a block with enough blocks on top: whether it has not failed, and what it has transferred."""

    ok: bool
    moved: tuple[Transfer, ...]


class PaymentLookup:
    """Reads the chain. ``accounts`` has everybody's, by person."""

    def __init__(self, context: RunContext, plan: PlannedPayments, accounts: Sequence[bytes]) -> None:
        self._context = context
        self._plan = plan
        self._accounts = accounts
        self._next = self.head() + 1  # the first block that ``news`` has not read
        self._known: set[bytes] = set()  # transactions of payments that were found otherwise, maybe in those blocks

    def head(self) -> int:
        """The newest block that has enough blocks on top."""
        chain = self._context.services.chain
        with protocol_errors(chain.rpc):
            return max(0, int(chain.rpc.call("eth_blockNumber"), 16) - chain.environment.confirmations)

    def news(self, payers: Sequence[bytes]) -> list[Transfer]:
        """What these accounts have transferred in the blocks that are new since the last call, and is not known otherwise."""
        head = self.head()
        if head < self._next:
            return []
        found = transfers(self._context, payers, self._next, head)
        self._next = head + 1
        return [one for one in found if one.hash not in self._known]

    def known(self, digest: bytes) -> None:
        """A transaction is that of a payment: it is not news any more."""
        self._known.add(digest)

    def receipts(self, hashes: Sequence[bytes]) -> dict[bytes, PaymentReceipt]:
        """Those of the transactions that are in a block with enough blocks on top."""
        if not hashes:
            return {}
        chain, head = self._context.services.chain, self.head()
        calls: list[Call] = [("eth_getTransactionReceipt", [to_hex(one)]) for one in hashes]
        found: dict[bytes, PaymentReceipt] = {}
        with protocol_errors(chain.rpc):
            answers = on_this_chain(chain.rpc, calls, self._context.stopping)
            for digest, answer in zip(hashes, answers, strict=True):
                if isinstance(answer, RpcError):
                    raise answer
                if answer is not None and int(answer["blockNumber"], 16) <= head:
                    found[digest] = PaymentReceipt(int(answer["status"], 16) == 1, tuple(self._moved(answer["logs"])))
        return found

    def _moved(self, logs: Iterable[Any]) -> Iterable[Transfer]:
        token = to_hex(self._context.services.chain.contracts.token.address)
        return (
            transfer_in(log)
            for log in logs
            if log["address"].lower() == token and log["topics"][:1] == [TRANSFER_EVENT]
        )

    def compare(self, people: Sequence[int]) -> set[int]:
        """Holds the state's payments of these people against the chain; gives the numbers of those found that it did not know.

        What the chain has and the state does not is written as paid. What the state has as paid and the chain, which went
        back, has no more, is open again, or has failed.
        """
        state = self._context.state
        rows = state.payments_by(people)
        seen: dict[bytes, list[Transfer]] = {}
        owners = [self._accounts[person] for person in people]
        for one in transfers(self._context, owners, first_block(self._context), self.head()):
            seen.setdefault(one.payer, []).append(one)
        undone: list[PaymentRow] = []
        new: list[PaymentRow] = []
        known: list[PaymentRow] = []
        for person in people:
            mine, there = rows.get(person, []), seen.get(self._accounts[person], [])
            hashes = {one.hash for one in there}
            paid = {row.hash for row in mine if row.status == "paid"}
            undone += [row for row in mine if row.status == "paid" and row.hash not in hashes]
            for payment, moved in self._spare(person, mine, [one for one in there if one.hash not in paid]):
                latest = next((row for row in reversed(mine) if row.number == payment.number), None)
                if latest:
                    known.append(replace(latest, status="paid", hash=moved.hash, detail=None))
                else:
                    found = f"found on the chain: {to_hex(moved.hash)}"
                    new.append(PaymentRow(found, payment.number, person, "paid", moved.hash))
                self.known(moved.hash)
        if new:
            state.add_payments(new)
        reopened = self._reopened(undone)
        if known or reopened:
            state.answer_payments([*known, *reopened])
        return {row.number for row in (*new, *known)}

    def _spare(
        self, person: int, rows: Sequence[PaymentRow], there: list[Transfer]
    ) -> Iterable[tuple[Payment, Transfer]]:
        """Payments that are not known to be made, each with a transfer that can be it."""
        made = {row.number for row in rows if row.status == "paid"}
        contracts = self._context.services.chain.contracts
        for payment in self._plan.made_by(person) if there else ():
            if payment.refused or payment.number in made:
                continue
            wanted = (self._accounts[payment.payee], units(self._plan, payment, contracts))
            if found := next((one for one in there if (one.payee, one.amount) == wanted), None):
                there.remove(found)
                yield payment, found

    def _reopened(self, undone: Sequence[PaymentRow]) -> list[PaymentRow]:
        """Payments whose logs are gone: they have failed, or may be carried out again. Others are not in the logs read."""
        if not undone:
            return []
        receipts = self.receipts([row.hash for row in undone if row.hash])
        found = []
        for row in undone:
            receipt = receipts.get(row.hash or b"")
            if receipt is None:
                found.append(replace(row, status="asked", detail="the chain went back"))
            elif not receipt.ok:
                found.append(replace(row, status="failed", detail="it failed after the chain went back"))
        return found

    def waiting(self, orders: Sequence[Order]) -> set[str]:
        """The ids of those whose payer has transactions with the node that are not mined: one of them may be the payment."""
        rpc = self._context.services.chain.rpc
        calls: list[Call] = []
        for one in orders:
            calls += [("eth_getTransactionCount", [to_hex(one.payer), tag]) for tag in ("latest", "pending")]
        with protocol_errors(rpc):
            counts = [int(answer, 16) for answer in rpc.calls(calls)] if calls else []
        return {one.id for number, one in enumerate(orders) if counts[2 * number + 1] > counts[2 * number]}
