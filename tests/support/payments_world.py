"""People who pay each other by a service that does what a test says, and a chain that shows it; time passes only in waits."""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from eth_hash.auto import keccak

from cicscenario.backends.work import askedpayments
from cicscenario.backends.work.askedpayments import AskedTraffic
from cicscenario.backends.work.paymentservice import HasTransaction, Order, PaymentService, Said
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Result
from cicscenario.capabilities.payments import PlannedPayments
from cicscenario.chain.abi import to_hex
from cicscenario.chain.contracts import TRANSFER_EVENT, Contracts, Token
from cicscenario.payments.payment import Payment
from cicscenario.payments.spec import PaymentsSpec
from cicscenario.people.person import Person
from cicscenario.state.rows import PaymentRow
from cicscenario.state.store import STATE, Store

PAID_TOKEN = Token(b"\x70" * 20, "GFT", 6, None)


def account_that_pays(person: int) -> bytes:
    return bytes([0xA0 + person]) * 20


def digest_of(request: str) -> bytes:
    """The hash of the transaction that the service makes for a request."""
    return keccak(request.encode())


class PaidPlan(PlannedPayments):
    """Payments as a test writes them, among people who have 100 tokens each."""

    def __init__(self, payments: Sequence[Payment], size: int) -> None:
        super().__init__(PaymentsSpec(len(payments)), 1, [100] * size, [0] * size)
        self._payments = payments

    def __iter__(self) -> Iterator[Payment]:
        return iter(self._payments)


@dataclass
class PaidChain:
    """What a node tells. ``blocks`` have the transfers and the failed transactions of each; ``pending`` those not mined yet."""

    blocks: list[list[tuple[Order, bytes, bool]]] = field(default_factory=lambda: [[]])
    pending: set[bytes] = field(default_factory=set)  #: payers
    name: str = "node"
    nodes: Any = field(default_factory=lambda: SimpleNamespace(genesis=None))

    def mine(self, order: Order, digest: bytes | None = None, *, ok: bool = True) -> None:
        self.blocks.append([(order, digest or digest_of(order.id), ok)])

    def call(self, method: str, *parameters: Any) -> Any:
        return self.results([(method, list(parameters))])[0]

    def calls(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        return self.results(calls)

    def results(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        return [getattr(self, method)(*parameters) for method, parameters in calls]

    def eth_blockNumber(self) -> str:
        return hex(len(self.blocks) - 1)

    def eth_getLogs(self, asked: Any) -> list[Any]:
        first, last = int(asked["fromBlock"], 16), int(asked["toBlock"], 16)
        found = [_log(*one[:2]) for block in self.blocks[first : last + 1] for one in block if one[2]]
        return [log for log in found if log["topics"][1] in asked["topics"][1]]

    def eth_getTransactionReceipt(self, asked: str) -> Any:
        for number, block in enumerate(self.blocks):
            for order, digest, ok in block:
                if to_hex(digest) == asked:
                    logs = [_log(order, digest)] if ok else []
                    return {"blockNumber": hex(number), "status": hex(ok), "logs": logs}
        return None

    def eth_getTransactionCount(self, payer: str, tag: str) -> str:
        return hex(tag == "pending" and bytes.fromhex(payer[2:]) in self.pending)


def _log(order: Order, digest: bytes) -> dict[str, Any]:
    topics = [TRANSFER_EVENT, *(to_hex(one.rjust(32, b"\0")) for one in (order.payer, order.payee))]
    data = to_hex(order.units.to_bytes(32, "big"))
    return {"address": to_hex(PAID_TOKEN.address), "topics": topics, "data": data, "transactionHash": to_hex(digest)}


class StandInService(PaymentService):
    """Carries out what it is asked for at once, unless a test has it do otherwise."""

    name, patience = "the service", 60.0

    def __init__(self, world: "PaymentsWorld", most: int = 10) -> None:
        self._world = world
        self.most = most
        self.sent: list[Order] = []
        self.earlier: set[str] = set()
        self.trouble: str | None = None

    def unwell(self) -> str | None:
        return self.trouble

    def new_id(self, payment: Payment) -> str:
        self._world.ids += 1
        return f"request {self._world.ids}"

    def began_earlier(self, ids: Collection[str]) -> None:
        self.earlier |= set(ids)

    def send(self, orders: Sequence[Order]) -> None:
        known = {row.id for row in self._world.store.open_payments()}
        assert known.issuperset(one.id for one in orders), "sent before it was written down"
        self.sent += orders
        for one in orders:
            self.carry_out(one)

    def carry_out(self, order: Order) -> None:
        self._world.chain.mine(order, ok=not order.payment.refused)

    def look(self, orders: Sequence[Order]) -> Mapping[str, Said]:
        return {one.id: self.end(one) for one in orders}

    def end(self, order: Order) -> Said:
        return HasTransaction(digest_of(order.id))

    @property
    def numbers(self) -> list[int]:
        """The payments that were asked for, in order."""
        return [one.payment.number for one in self.sent]


class _Stopping(threading.Event):
    """Nobody waits: the clock is moved instead."""

    def __init__(self, world: "PaymentsWorld") -> None:
        super().__init__()
        self._world = world

    def wait(self, timeout: float | None = None) -> bool:
        self._world.now += timeout or 0.0
        self._world.waits += 1
        assert self._world.waits < 5000, "it waits for ever"
        return self.is_set()


class PaymentsWorld:
    """A state, a chain, and one run of the step after another."""

    def __init__(self, folder: Path, payments: Sequence[Payment], size: int = 4) -> None:
        self.store = Store(folder / STATE)
        self.plan, self.size, self.chain = PaidPlan(payments, size), size, PaidChain()
        self.now, self.waits, self.ids = 1000.0, 0, 0
        self.rate: float | None = None  #: payments a second
        made = [Person(i, "{}", f"+2547{i:08}", "en", (), bytes(20), 100, None) for i in range(size)]
        self.store.commit("population", [], made, [(i, account_that_pays(i)) for i in range(size)])
        self.stopping = _Stopping(self)

    def service(self, most: int = 10) -> StandInService:
        return StandInService(self, most)

    def run(self, service: PaymentService) -> dict[int, tuple[bool, str | None]]:
        """One run of the step for everybody. Gives the outcome of each person, and its detail."""
        environment = SimpleNamespace(confirmations=0)
        contracts = Contracts(b"", b"", PAID_TOKEN, None)
        chain = SimpleNamespace(rpc=self.chain, contracts=contracts, height=0, environment=environment)
        nothing: Any = None
        scenario: Any = SimpleNamespace(traffic=SimpleNamespace(rate=self.rate))
        services: Any = SimpleNamespace(chain=chain)
        context = RunContext(
            scenario, Path(), nothing, services, self.store, self.stopping, clock=lambda: self.now, size=self.size
        )
        result = Result()
        AskedTraffic(context, "traffic", service)(Batch(range(self.size), [], result))
        return {one.person: (one.ok, one.detail) for one in result.outcomes}

    def rows(self) -> list[tuple[int, str]]:
        """The requests in the state: number and status."""
        found: Mapping[int, Sequence[PaymentRow]] = self.store.payments(range(100))
        rows = sorted((row.sequence, row.number, row.status) for those in found.values() for row in those)
        return [(number, status) for _, number, status in rows]

    def paid(self) -> list[tuple[bytes, bytes, int]]:
        """What the chain has: payer, payee and tokens."""
        return [(one.payer, one.payee, one.units // 10**6) for block in self.chain.blocks for one, _, ok in block if ok]

    def wanted(self) -> list[tuple[bytes, bytes, int]]:
        """What it should have at the end."""
        return [
            (account_that_pays(one.payer), account_that_pays(one.payee), one.amount)
            for one in self.plan
            if not one.refused
        ]


@contextmanager
def payments_world(
    folder: Path, patched: pytest.MonkeyPatch, payments: Sequence[Payment], size: int = 4
) -> Iterator[PaymentsWorld]:
    """With a state in this folder, which is closed with the block."""
    world = PaymentsWorld(folder, payments, size)
    patched.setattr(askedpayments, "payments_in", lambda context: world.plan)
    yield world
    world.store.close()
