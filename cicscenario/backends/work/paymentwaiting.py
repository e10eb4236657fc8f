"""The payments that a service was asked for and that have not ended: looks at the chain, and asks the service."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cicscenario.backends.work.paymentlookup import PaymentLookup, PaymentReceipt
from cicscenario.backends.work.paymentservice import Declined, Gone, HasTransaction, Order, PaymentService, Said
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Result, Wait
from cicscenario.capabilities.payments import PlannedPayments
from cicscenario.capabilities.stall import StallTimer
from cicscenario.chain.abi import to_hex
from cicscenario.payments.payment import Payment
from cicscenario.state.rows import PaymentRow

_SHORTEST, _LONGEST = 0.1, 1.0  # seconds between two looks at the chain (back-off)
_ASK_AFTER = 2.0  # seconds after which the service is asked about a payment that the chain does not have
_ASK_EVERY = 1.0  # seconds between two such questions


@dataclass
class Request:
    """A payment under way. ``known`` is the hash of its transaction, once it is known.

    ``again``: it was asked for before in this run; ``earlier``: an earlier run has asked for it.
    """

    order: Order
    known: bytes | None = None
    again: bool = False
    earlier: bool = False
    since: float = 0.0
    last: str = "nothing is known of it yet"


@dataclass(frozen=True)
class PaymentEnd:
    """How a request ended, for the state and for the payer. With ``asked`` it is open, and no longer waited for in this run.

    ``lost``: it may be asked for again at once. ``stops``: why others would fail as well.
    """

    status: str
    hash: bytes | None = None
    why: str | None = None
    lost: bool = False
    stops: str | None = None


class PaymentRequests:
    """Those of one run. ``done`` are the numbers of all payments that have ended as they should, as far as this is told."""

    def __init__(
        self,
        context: RunContext,
        plan: PlannedPayments,
        accounts: Sequence[bytes],
        service: PaymentService,
        result: Result,
    ) -> None:
        self._context = context
        self._service = service
        self._result = result
        self._lookup = PaymentLookup(context, plan, accounts)
        self._timer = StallTimer(context.clock, service.movements())
        self._under_way: dict[int, Request] = {}  # by the payment's number
        self._asked = 0.0  # when the service was last asked
        self.done: set[int] = set()

    @property
    def number(self) -> int:
        """How many are under way."""
        return len(self._under_way)

    def add(self, requests: Iterable[Request]) -> None:
        """These are waited for from now on. Nobody has two."""
        if not self._under_way:  # nobody has waited for anything
            self._timer.restart()
        now = self._context.clock()
        for one in requests:
            one.since = now - _ASK_AFTER if one.earlier else now
            self._under_way[one.order.payment.number] = one

    def compare(self, people: Sequence[int]) -> None:
        """Holds what these people have paid against the chain; see ``PaymentLookup.compare``."""
        self.done |= self._lookup.compare(people)

    def wait_while(self, more: Callable[[], bool], ended: Callable[[Request, PaymentEnd], None]) -> None:
        """Waits while ``more`` is true, and the run is not stopped. What has ended is written down, and then told."""
        self._timer.restart()
        pause = _SHORTEST
        while more():
            ends = self._look()
            if ends:
                self._timer.progress()
            elif self._timer.seconds() > self._service.patience:
                ends = self._give_up()
            self._write(ends)
            for number, end in ends.items():
                ended(self._under_way.pop(number), end)
            self._tell()
            pause = _SHORTEST if ends else min(2 * pause, _LONGEST)
            if self._context.stopping.is_set() or (self._under_way and self._context.stopping.wait(pause)):
                break
        self._result.wait = None

    def _tell(self) -> None:
        first = next(iter(self._under_way.values()), None)
        seen = f"payment {first.order.payment.number}: {first.last}" if first else ""
        what = f"payments by {self._service.name}"
        self._result.wait = Wait(what, self._timer.since_progress(), self._service.patience, seen)

    def _write(self, ends: dict[int, PaymentEnd]) -> None:
        rows = [_row(self._under_way[number].order, end.status, end.hash, end.why) for number, end in ends.items()]
        if rows:
            self._context.state.answer_payments(rows)

    def _give_up(self) -> dict[int, PaymentEnd]:
        """The ends of those under way, which stay open, so that the next run waits for them."""
        found = self._full_look(list(self._under_way.values()))
        shown, seconds = self._service.shown(), self._timer.seconds()
        for number, one in self._under_way.items():
            why = f"it is not on the chain, and nothing has moved for {seconds:.0f} seconds: {one.last}{shown}"
            found.setdefault(number, PaymentEnd("asked", one.known, why))
        return found

    # --- what has ended, by the payment's number ----------------------------------------------------------------------

    def _look(self) -> dict[int, PaymentEnd]:
        ends = self._news()
        now = self._context.clock()
        if now - self._asked < _ASK_EVERY:
            return ends
        slow = [
            one
            for number, one in self._under_way.items()
            if number not in ends and (one.order.payment.refused or now - one.since >= _ASK_AFTER)
        ]
        if slow:
            self._asked = now
            ends |= self._ask(slow)
        return ends

    def _news(self) -> dict[int, PaymentEnd]:
        by_payer = {one.order.payer: one.order for one in self._under_way.values()}
        ends: dict[int, PaymentEnd] = {}
        for moved in self._lookup.news(list(by_payer)) if by_payer else ():
            order = by_payer[moved.payer]
            if (order.payee, order.units) == (moved.payee, moved.amount):
                ends.setdefault(order.payment.number, _paid(order, moved.hash))
        return ends

    def _ask(self, slow: Sequence[Request]) -> dict[int, PaymentEnd]:
        """What the service and the receipts of its transactions say."""
        said = self._service.look([one.order for one in slow])
        ends: dict[int, PaymentEnd] = {}
        for one in slow:
            what = said[one.order.id]
            if isinstance(what, Declined):
                ends[one.order.payment.number] = _declined(one.order.payment, what)
        self._note(slow, said)
        receipts = self._lookup.receipts([one.known for one in slow if one.known])
        for one in slow:
            if one.known and (receipt := receipts.get(one.known)):
                ends[one.order.payment.number] = _by_receipt(one.order, one.known, receipt)
                self._lookup.known(one.known)
        return ends | self._look_for([one for one in slow if not one.known and isinstance(said[one.order.id], Gone)])

    def _note(self, slow: Sequence[Request], said: Mapping[str, Said]) -> None:
        """Keeps what the service says; in the state the hashes, so that no payment with one is asked for again."""
        signed = []
        for one in slow:
            what = said[one.order.id]
            if isinstance(what, HasTransaction) and one.known != what.hash:
                one.known = what.hash
                signed.append(_row(one.order, "asked", what.hash))
            one.last = f"its transaction is {to_hex(one.known)}" if one.known else getattr(what, "why", "")
        if signed:
            self._context.state.answer_payments(signed)

    def _look_for(self, gone: Sequence[Request]) -> dict[int, PaymentEnd]:
        """Requests of which nothing is left: those that the chain has are made, others are lost."""
        if not gone:
            return {}
        found = self._full_look(gone)
        left = [one for one in gone if one.order.payment.number not in found and not one.again]
        waiting = self._lookup.waiting([one.order for one in left])
        for one in left:
            if one.order.id not in waiting:
                found[one.order.payment.number] = PaymentEnd("failed", why=f"it was lost: {one.last}", lost=True)
        return found

    def _full_look(self, requests: Sequence[Request]) -> dict[int, PaymentEnd]:
        """Those of the payments that the chain has, looked for in all blocks."""
        self.compare(sorted({one.order.payment.payer for one in requests}))
        rows = self._context.state.payments([one.order.payment.number for one in requests])
        return {
            number: PaymentEnd("paid", row.hash)
            for number, those in rows.items()
            for row in those
            if row.status == "paid"
        }


def _row(order: Order, status: str, digest: bytes | None, why: str | None = None) -> PaymentRow:
    return PaymentRow(order.id, order.payment.number, order.payment.payer, status, digest, why)


def _declined(payment: Payment, what: Declined) -> PaymentEnd:
    if payment.refused and what.refused:
        return PaymentEnd("refused", why=what.why)
    return PaymentEnd("failed", why=what.why, stops=what.why if what.stops else None)


def _paid(order: Order, digest: bytes) -> PaymentEnd:
    """A payment that was carried out; one that is to be refused should not have been."""
    if order.payment.refused:
        return PaymentEnd(
            "failed", digest, f"it asked for more than person {order.payment.payer} had, and was not refused"
        )
    return PaymentEnd("paid", digest)


def _by_receipt(order: Order, digest: bytes, receipt: PaymentReceipt) -> PaymentEnd:
    if any((one.payer, one.payee, one.amount) == (order.payer, order.payee, order.units) for one in receipt.moved):
        return _paid(order, digest)
    if order.payment.refused:
        return PaymentEnd("refused", digest)
    how = "was mined, and has transferred nothing" if receipt.ok else "failed"
    return PaymentEnd("failed", digest, f"its transaction {to_hex(digest)} {how}")
