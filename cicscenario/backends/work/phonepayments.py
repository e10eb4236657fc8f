"""Pays by the menu of each payer's phone, with their PIN.

The phone only says that a payment was requested of the custodial engine, and not how to find it there. So a payment that does not
show on the chain is looked for among the transactions that the engine has made for its payer (``paymenttraces.py``).
"""

import threading
import uuid
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from cicscenario.backends.work.paymentservice import Declined, Order, PaymentService, Said, UnderWay
from cicscenario.backends.work.paymenttraces import PaymentTraces
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.pinsource import pin_source
from cicscenario.capabilities.stall import Movement
from cicscenario.payments.payment import Payment
from cicscenario.retry import PAUSES
from cicscenario.services.circuit import CircuitBreaker
from cicscenario.services.ussd import SILENT, UssdError
from cicscenario.services.ussd_menus import Paying, PhoneMenus

_PHONES = 4  # that are dialled at the same time: the interface handles one request at a time
_AT_ONCE = 32  # payments that may be under way: enough to dial while others are mined
_TIMES = 8  # a payer is told that the balance does not suffice, before that is believed


class PhonePayments(PaymentService):
    """``movements`` are the backend's, and ``patience`` its option."""

    name = "the phone interface"
    most = _AT_ONCE

    def __init__(self, context: RunContext, movements: Sequence[Movement], patience: float) -> None:
        self._context = context
        self._ussd = context.services.ussd
        self._menus = PhoneMenus(self._ussd, context.stopping)
        self._pins = pin_source(context.scenario, context.population, context.hashes)
        self._movements = movements
        self.patience = patience
        self._traces = PaymentTraces(context, patience)
        self._circuit = CircuitBreaker(SILENT)
        self._mutex = threading.Lock()
        self._said: dict[str, Said] = {}  # by the request's id, for good
        self._short: dict[str, int] = {}  # how often a payer was told that the balance does not suffice

    def movements(self) -> Sequence[Movement]:
        return [*self._movements, lambda: self._ussd.requests]

    def unwell(self) -> str | None:
        """A transfer that the engine cannot sign would leave a nonce of the payer unused."""
        if failure := self._circuit.open:
            return failure.message
        return self._traces.unwell()

    def new_id(self, payment: Payment) -> str:
        return uuid.uuid4().hex

    def began_earlier(self, ids: Collection[str]) -> None:
        self._traces.began_earlier(ids)

    def send(self, orders: Sequence[Order]) -> None:
        with ThreadPoolExecutor(_PHONES, "phone") as pool:
            list(pool.map(self._pay, orders))

    def look(self, orders: Sequence[Order]) -> Mapping[str, Said]:
        self.send([one for one in orders if one.id in self._short])
        with self._mutex:
            found: dict[str, Said] = {one.id: self._said[one.id] for one in orders if one.id in self._said}
            for one in orders:
                if one.id in self._short:
                    found[one.id] = UnderWay("the phone says that the balance does not suffice; it is tried again")
        return found | self._traces.look([one for one in orders if one.id not in found])

    # --- dialling -----------------------------------------------------------------------------------------------------

    def _pay(self, order: Order) -> None:
        """Pays, unless the run is stopped; what then became of the request, the next run sees."""
        said: Said | None = None
        if why := self._inexact(order):
            said = Declined(why)
        else:
            for seconds in PAUSES[:1] if self._ussd.repeats_itself else PAUSES:
                if self._context.stopping.wait(seconds) if seconds else self._context.stopping.is_set():
                    return
                try:
                    said = self._judged(order, self._dial(order))
                except UssdError as error:
                    said = self._failed(error)
                    if not error.answered and error.taken is False and not self._circuit.open:
                        continue
                else:
                    self._circuit.succeeded()
                break
        with self._mutex:
            if said:
                self._said[order.id] = said

    def _dial(self, order: Order) -> Paying:
        people, payment = self._context.population, order.payment
        payer = people.person(payment.payer)
        pin = self._pins.pin(payer)
        assert pin is not None  # the scenario's rules want one
        token = self._context.services.chain.contracts.token
        return self._menus.pay(payer.phone, pin, people.person(payment.payee).phone, self._whole(order), token.symbol)

    def _whole(self, order: Order) -> int:
        """The amount to type, in whole tokens; one that is to be refused is rounded up."""
        return -(-order.units // self._context.services.chain.contracts.token.base_units(1))

    def _inexact(self, order: Order) -> str | None:
        """Why cic-ussd would send another amount than the planned one: it counts in floating point."""
        decimals = self._context.services.chain.contracts.token.decimals
        sent = phone_units(self._whole(order), decimals)
        if order.payment.refused or sent == order.units:
            return None
        return f"cic-ussd would send {sent} base units instead of {order.units}: it rounds large amounts"

    def _judged(self, order: Order, paying: Paying) -> Said | None:
        """None when the payment was requested, or is to be tried again."""
        if paying is Paying.SENT:
            with self._mutex:
                self._short.pop(order.id, None)
            return None
        why = "the phone says that the balance does not suffice"
        if order.payment.refused:
            return Declined(why, refused=True)
        with self._mutex:
            # cic-ussd takes off what the engine sends for the payer, also when that has just been mined
            self._short[order.id] = tried = self._short.get(order.id, 0) + 1
            if tried < _TIMES:
                return None
            del self._short[order.id]
        return Declined(why)

    def _failed(self, error: UssdError) -> Said | None:
        if error.answered:
            self._circuit.succeeded()
        else:
            self._circuit.failed(error)
        if error.taken is None:
            return None  # the engine and the chain show it
        why = f"{error.message}; {error.hint}" if error.hint else error.message
        return Declined(why, stops=not error.answered)


def phone_units(whole: int, decimals: int) -> int:
    """The base units that cic-ussd sends for an amount that is typed. Source: ``to_wei`` of ``cic_ussd.account.transaction``."""
    return int(float(whole) * 10**decimals)
