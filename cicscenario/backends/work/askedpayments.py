"""Has people pay each other by asking a service that holds their keys, and waits for each payment on the chain.

Everybody has at most one payment under way, so their order is kept, and a transfer on the chain can be told to be theirs. A
request is in the state before it is sent. It is sent again only when nothing of it is left in the service, the chain does not
have the payment, and the payer has nothing with the node: a payment is made at least once, with a look-up first.
"""

from collections.abc import Sequence

from cicscenario.backends.work.payeroutcomes import PAGE, PayerOutcomes, accounts_in, begin
from cicscenario.backends.work.paymentpace import PaymentPace
from cicscenario.backends.work.paymentservice import Order, PaymentService
from cicscenario.backends.work.paymentwaiting import PaymentEnd, PaymentRequests, Request
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Result
from cicscenario.capabilities.payments import PlannedPayments, payments_in, units
from cicscenario.capabilities.rounds import Rounds
from cicscenario.payments.payment import Payment
from cicscenario.state.rows import PaymentRow


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
        self._tally = PayerOutcomes(plan, batch)
        self._accounts = accounts_in(context, plan)
        self._requests = PaymentRequests(context, plan, self._accounts, service, batch.result)
        self._pace = PaymentPace(context, batch.result)
        self._rounds = Rounds(plan, plan.gifts, self._settled, one_each=True)
        self._given_up: dict[int, str] = {}  # payers of payments of earlier runs that are still open, with the reason
        self._refusal: str | None = None  # why nothing more is asked for in this run
        self._lost: list[Payment] = []  # that are to be asked for again

    def carry_out(self) -> None:
        payers = [person for person, made in enumerate(self._plan.made) if made]
        for start in range(0, len(payers), PAGE):
            self._requests.compare(payers[start : start + PAGE])
        self._requests.done = self._state.payments_done()
        self._finish_earlier()
        self._requests.done = self._state.payments_done()
        if not self._context.stopping.is_set():
            self._requests.wait_while(self._ask_for_more, self._ended)
        if not self._context.stopping.is_set():
            for payment in self._rounds.waiting if self._refusal else ():
                self._leave_out(payment)
            self._tally.end(self._rounds.waiting)

    def _finish_earlier(self) -> None:
        """Waits for what earlier runs have asked for. What has failed is asked for again; what is still open is not."""
        rows = {row.number: row for row in self._state.open_payments() if row.number not in self._requests.done}
        payers = {row.person for row in rows.values()}
        earlier = [one for payer in payers for one in self._plan.made_by(payer) if one.number in rows]
        requests = [
            Request(self._order(one, rows[one.number].id), known=rows[one.number].hash, earlier=True) for one in earlier
        ]
        self._requests.add(requests)
        self._service.began_earlier([one.order.id for one in requests])

        def ended(request: Request, end: PaymentEnd) -> None:
            if end.status == "asked":
                self._given_up[request.order.payment.payer] = end.why or ""

        self._requests.wait_while(lambda: bool(self._requests.number), ended)

    def _settled(self, payments: Sequence[Payment]) -> set[int]:
        return {payment.number for payment in payments if payment.number in self._requests.done}

    # --- asking -------------------------------------------------------------------------------------------------------

    def _ask_for_more(self) -> bool:
        """Asks for what may be asked for now. Whether anything is under way."""
        again, self._lost = self._lost, []
        self._begin(again, again=True)
        while (room := self._room()) and not self._refusal:
            ready = self._rounds.next_round(room)
            for payment in self._rounds.take_earlier():
                self._tally.made(payment)
            if not ready or not self._pace.wait():
                break
            self._begin(ready)
        return bool(self._requests.number)

    def _room(self) -> int:
        """How many more may be asked for now; at least one when none is under way, which then waits until it is due."""
        due = self._pace.due() if self._requests.number else max(1, self._pace.due())
        return max(0, min(due, self._service.most - self._requests.number))

    def _begin(self, ready: Sequence[Payment], *, again: bool = False) -> None:
        """Asks for payments, but for those that are made, and those of people of whom an earlier one is still open."""
        wanted = []
        for payment in ready:
            if payment.number in self._requests.done:
                self._made(payment)
            elif (why := self._given_up.get(payment.payer)) is not None:
                self._failed(payment, why)
            else:
                wanted.append(payment)
        if wanted and not self._refusal:
            self._refusal = self._service.unwell()
        if self._refusal:
            for payment in wanted:
                self._rounds.failed(payment)
                self._leave_out(payment)
        elif wanted:
            self._send(wanted, again=again)

    def _send(self, payments: Sequence[Payment], *, again: bool) -> None:
        orders = [self._order(payment, self._service.new_id(payment)) for payment in payments]
        self._pace.sent(0 if again else len(payments))
        self._state.add_payments(PaymentRow(one.id, one.payment.number, one.payment.payer) for one in orders)
        self._requests.add([Request(one, again=again) for one in orders])
        self._service.send(orders)  # committed, then sent: a request that was sent is known to the next run

    def _order(self, payment: Payment, request: str) -> Order:
        contracts = self._context.services.chain.contracts
        payer, payee = self._accounts[payment.payer], self._accounts[payment.payee]
        return Order(request, payment, payer, payee, units(self._plan, payment, contracts))

    # --- ends ---------------------------------------------------------------------------------------------------------

    def _ended(self, request: Request, end: PaymentEnd) -> None:
        payment = request.order.payment
        if end.lost:
            self._lost.append(payment)
            return
        if end.status in ("paid", "refused"):
            self._made(payment)
            return
        if end.stops or end.status == "asked":
            self._refusal = self._refusal or end.stops or f"{self._service.name} has carried out nothing for a while"
        self._failed(payment, end.why or end.status)

    def _made(self, payment: Payment) -> None:
        self._rounds.paid(payment)
        self._tally.made(payment)

    def _failed(self, payment: Payment, why: str) -> None:
        self._rounds.failed(payment)
        self._tally.fail(payment.payer, f"payment {payment.number}: {why}")

    def _leave_out(self, payment: Payment) -> None:
        self._tally.fail(payment.payer, f"payment {payment.number} was not asked for: {self._refusal}")
