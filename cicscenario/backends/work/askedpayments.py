"""Has people pay each other by asking a service that holds their keys, and waits for each payment on the chain.

Everybody has at most one payment under way, so their order is kept, and a transfer on the chain can be told to be theirs. A
request is in the state before it is sent. It is sent again only when nothing of it is left in the service, the chain does not
have the payment, and the payer has nothing with the node: a payment is made at least once, with a look-up first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cicscenario.backends.work.paymentlookup import PaymentLookup, Receipt
from cicscenario.backends.work.paymentservice import Declined, Gone, Order, PaymentService, Signed
from cicscenario.backends.work.tally import PAGE, Tally, accounts_in, begin
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Result, Wait
from cicscenario.capabilities.payments import PlannedPayments, payments_in, units
from cicscenario.capabilities.rounds import Rounds
from cicscenario.capabilities.stall import StallTimer
from cicscenario.chain.abi import to_hex
from cicscenario.payments.payment import Payment
from cicscenario.state.rows import PaymentRow

_SHORTEST, _LONGEST = 0.1, 1.0  # seconds between two looks at the chain (back-off)
_ASK_AFTER = 2.0  # seconds after which the service is asked about a payment that the chain does not have
_ASK_EVERY = 1.0  # seconds between two such questions


@dataclass
class _Request:
    """A payment under way. ``hash`` is that of its transaction, once it is known."""

    order: Order
    since: float
    hash: bytes | None = None
    again: bool = False  #: it was asked for before in this run
    last: str = "nothing is known of it yet"


@dataclass(frozen=True)
class _End:
    """How a request ended, for the state and for the payer."""

    status: str
    hash: bytes | None = None
    why: str | None = None
    lost: bool = False  #: it may be asked for again at once


class AskedTraffic:
    """The executor of the step. Its batch is everybody."""

    def __init__(self, context: RunContext, step: str, service: PaymentService) -> None:
        self._context = context
        self._step = step
        self._service = service

    def __call__(self, batch: Batch) -> Result:
        plan = payments_in(self._context)
        begin(self._context, plan)
        _Session(self._context, plan, batch, self._service).carry_out()
        return batch.result


class _Session:
    """The payments that are left, in one run of the step."""

    def __init__(self, context: RunContext, plan: PlannedPayments, batch: Batch, service: PaymentService) -> None:
        self._context = context
        self._state = context.state
        self._plan = plan
        self._service = service
        self._result = batch.result
        self._tally = Tally(plan, batch)
        self._accounts = accounts_in(context, plan)
        self._chain = PaymentLookup(context, plan, self._accounts)
        self._timer = StallTimer(context.clock, service.movements())
        self._under_way: dict[int, _Request] = {}  # by the payment's number
        self._given_up: dict[int, str] = {}  # payers of payments of earlier runs that are still open, with the reason
        self._refusal: str | None = None  # why nothing more is asked for in this run
        self._lost: list[Payment] = []  # that are to be asked for again
        self._done: set[int] = set()  # numbers of payments that have ended as they should
        self._asked = 0.0  # when the service was last asked

    def carry_out(self) -> None:
        payers = [person for person, made in enumerate(self._plan.made) if made]
        for start in range(0, len(payers), PAGE):
            self._chain.compare(payers[start : start + PAGE])
        self._finish_earlier()
        self._done = self._state.payments_done()
        if not self._context.stopping.is_set():
            self._pay()
        self._result.wait = None

    def _finish_earlier(self) -> None:
        """Waits for what earlier runs have asked for. What has failed is asked for again; what is still open is not."""
        rows = {row.number: row for row in self._state.open_payments()}
        payers = {row.person for row in rows.values()}
        payments = (payment for payer in payers for payment in self._plan.made_by(payer))
        now = self._context.clock()
        for payment in payments:
            if row := rows.get(payment.number):
                order = self._order(payment, row.id)
                self._under_way[payment.number] = _Request(order, now - _ASK_AFTER, row.hash)
        self._service.began_earlier([one.order.id for one in self._under_way.values()])

        def ended(request: _Request, end: _End) -> None:
            if end.status == "asked":
                self._given_up[request.order.payment.payer] = end.why or ""

        self._wait_while(lambda: bool(self._under_way), ended)

    def _pay(self) -> None:
        rounds = Rounds(self._plan, self._plan.gifts, self._settled, one_each=True)

        def more() -> bool:
            again, self._lost = self._lost, []
            self._send(again, again=True)
            if (room := self._service.most - len(self._under_way)) > 0 and not self._refusal:
                self._begin(rounds, rounds.next_round(room))
            return bool(self._under_way)

        def ended(request: _Request, end: _End) -> None:
            payment = request.order.payment
            if end.lost:
                self._lost.append(payment)
            elif end.status in ("paid", "refused"):
                rounds.paid(payment)
                self._tally.made(payment)
            else:
                rounds.failed(payment)
                self._tally.fail(payment.payer, f"payment {payment.number}: {end.why}")

        self._wait_while(more, ended)
        if not self._context.stopping.is_set():
            for payment in rounds.waiting if self._refusal else ():
                self._tally.fail(payment.payer, f"payment {payment.number} was not asked for: {self._refusal}")
            self._tally.end(rounds.waiting)

    def _settled(self, payments: Sequence[Payment]) -> set[int]:
        return {payment.number for payment in payments if payment.number in self._done}

    # --- asking -------------------------------------------------------------------------------------------------------

    def _begin(self, rounds: Rounds, ready: Sequence[Payment]) -> None:
        """Asks for payments, but for those that are made, and those of people of whom an earlier one is still open."""
        found = [payment for payment in ready if payment.number in self._done]
        for payment in found:
            rounds.paid(payment)
        for payment in (*rounds.take_earlier(), *found):
            self._tally.made(payment)
        wanted = [payment for payment in ready if payment.number not in self._done]
        new = [payment for payment in wanted if payment.payer not in self._given_up]
        why = self._service.unwell() if new else None
        if why:
            self._refusal = why
        for payment in wanted:
            if why or payment.payer in self._given_up:
                rounds.failed(payment)
                reason = self._given_up.get(payment.payer) or f"it was not asked for: {why}"
                self._tally.fail(payment.payer, f"payment {payment.number}: {reason}")
        if not why:
            self._send(new)

    def _send(self, payments: Sequence[Payment], *, again: bool = False) -> None:
        if not payments:
            return
        orders = [self._order(payment, self._service.new_id(payment)) for payment in payments]
        self._state.add_payments(PaymentRow(one.id, one.payment.number, one.payment.payer) for one in orders)
        now = self._context.clock()
        self._under_way |= {one.payment.number: _Request(one, now, again=again) for one in orders}
        self._service.send(orders)  # committed, then sent: a request that was sent is known to the next run

    def _order(self, payment: Payment, request: str) -> Order:
        contracts = self._context.services.chain.contracts
        payer, payee = self._accounts[payment.payer], self._accounts[payment.payee]
        return Order(request, payment, payer, payee, units(self._plan, payment, contracts))

    # --- waiting ------------------------------------------------------------------------------------------------------

    def _wait_while(self, more: Callable[[], bool], ended: Callable[[_Request, _End], None]) -> None:
        """Until nothing is under way, or the run is stopped. What has ended is written down, and then told."""
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
            first = next(iter(self._under_way.values()), None)
            seen = f"payment {first.order.payment.number}: {first.last}" if first else ""
            what = f"payments by {self._service.name}"
            self._result.wait = Wait(what, self._timer.since_progress(), self._service.patience, seen)
            pause = _SHORTEST if ends else min(2 * pause, _LONGEST)
            if self._context.stopping.is_set() or (self._under_way and self._context.stopping.wait(pause)):
                return

    def _write(self, ends: dict[int, _End]) -> None:
        rows = [(self._under_way[number].order, end) for number, end in ends.items()]
        if rows:
            self._state.answer_payments(
                PaymentRow(one.id, one.payment.number, one.payment.payer, end.status, end.hash, end.why)
                for one, end in rows
            )

    def _give_up(self) -> dict[int, _End]:
        """The ends of those under way, which stay open, so that the next run waits for them."""
        found = self._full_look(list(self._under_way.values()))
        self._refusal = self._refusal or f"{self._service.name} has carried out nothing for a while"
        shown = self._service.shown()
        for number, one in self._under_way.items():
            if number not in found:
                why = (
                    f"it is not on the chain, and nothing has moved for {self._timer.seconds():.0f} seconds: {one.last}"
                )
                found[number] = _End("asked", one.hash, why + shown)
        return found

    def _look(self) -> dict[int, _End]:
        """What has ended, by the payment's number."""
        ends = self._news()
        now = self._context.clock()
        if now - self._asked >= _ASK_EVERY:
            slow = [
                one
                for number, one in self._under_way.items()
                if number not in ends and (one.order.payment.refused or now - one.since >= _ASK_AFTER)
            ]
            if slow:
                self._asked = now
                ends |= self._ask(slow)
        return ends

    def _news(self) -> dict[int, _End]:
        by_payer = {one.order.payer: one for one in self._under_way.values()}
        ends: dict[int, _End] = {}
        for moved in self._chain.news(list(by_payer)) if by_payer else ():
            order = by_payer[moved.payer].order
            if (order.payee, order.units) == (moved.payee, moved.amount):
                ends.setdefault(order.payment.number, _paid(order, moved.hash))
        return ends

    def _ask(self, slow: Sequence[_Request]) -> dict[int, _End]:
        """What the service and the receipts of its transactions say."""
        said = self._service.look([one.order for one in slow])
        signed, ends, gone = [], dict[int, _End](), []
        for one in slow:
            what, number = said[one.order.id], one.order.payment.number
            if isinstance(what, Signed):
                if one.hash != what.hash:
                    one.hash = what.hash
                    signed.append(one)
            elif isinstance(what, Declined):
                ends[number] = self._declined(one.order.payment, what)
            elif isinstance(what, Gone) and one.hash is None:
                gone.append(one)
            one.last = f"its transaction is {to_hex(one.hash)}" if one.hash else getattr(what, "why", "")
        if signed:  # a payment with a known transaction is never asked for again before that has failed
            self._state.answer_payments(
                PaymentRow(o.order.id, o.order.payment.number, o.order.payment.payer, "asked", o.hash) for o in signed
            )
        receipts = self._chain.receipts([one.hash for one in slow if one.hash])
        for one in slow:
            if one.hash and (receipt := receipts.get(one.hash)):
                ends[one.order.payment.number] = _by_receipt(one.order, one.hash, receipt)
                self._chain.known(one.hash)
        return ends | self._look_for(gone)

    def _declined(self, payment: Payment, what: Declined) -> _End:
        if payment.refused and what.refused:
            return _End("refused", why=what.why)
        if what.stops:
            self._refusal = self._refusal or what.why
        return _End("failed", why=what.why)

    def _look_for(self, gone: Sequence[_Request]) -> dict[int, _End]:
        """Requests of which nothing is left: those that the chain has are made, others are lost."""
        if not gone:
            return {}
        found = self._full_look(gone)
        left = [one for one in gone if one.order.payment.number not in found and not one.again]
        waiting = self._chain.waiting([one.order for one in left])
        for one in left:
            if one.order.id not in waiting:
                found[one.order.payment.number] = _End("failed", why=f"it was lost: {one.last}", lost=True)
        return found

    def _full_look(self, requests: Sequence[_Request]) -> dict[int, _End]:
        """Those of the payments that the chain has, looked for in all blocks."""
        payers = sorted({one.order.payment.payer for one in requests})
        self._done |= self._chain.compare(payers)
        rows = self._state.payments([one.order.payment.number for one in requests])
        return {
            number: _End("paid", row.hash) for number, those in rows.items() for row in those if row.status == "paid"
        }


def _paid(order: Order, digest: bytes) -> _End:
    """A payment that was carried out; one that is to be refused should not have been."""
    if order.payment.refused:
        return _End("failed", digest, f"it asked for more than person {order.payment.payer} had, and was not refused")
    return _End("paid", digest)


def _by_receipt(order: Order, digest: bytes, receipt: Receipt) -> _End:
    if any((one.payer, one.payee, one.amount) == (order.payer, order.payee, order.units) for one in receipt.moved):
        return _paid(order, digest)
    if order.payment.refused:
        return _End("refused", digest)
    how = "was mined, and has transferred nothing" if receipt.ok else "failed"
    return _End("failed", digest, f"its transaction {to_hex(digest)} {how}")
