"""Groups payments into rounds: those of a round may be carried out in any order.

A payment is in a round when its payer can pay with what is known to be there: the gift, and what was paid to them in earlier
rounds. A node may order transactions of different accounts as it likes, so nothing that depends on another transaction is sent
before that one is confirmed. Payments of one person keep their order. What a person is paid after a payment of theirs that is to
be refused waits for that one, since with more tokens it might not be refused.

Where the order of a person's payments is not kept by their nonces, they are given out one at a time.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from cicscenario.payments.payment import Payment


class Rounds:
    """The rounds of ``payments``, which are read as they are needed, at most ``ahead`` of them before they are done.

    ``balances`` is what each person has before the first one, in the unit of the payments. ``settled`` says which of some
    payments were carried out, or refused as they should be, before. The caller takes ``next_round`` and says how each of it
    ended; it may take another one before all of them have. ``one_each``: nobody has more than one payment that is given out
    and has not ended, and none after one that failed.
    """

    def __init__(
        self,
        payments: Iterable[Payment],
        balances: Sequence[int],
        settled: Callable[[Sequence[Payment]], set[int]],
        *,
        ahead: int = 5000,
        at_once: int = 1000,
        one_each: bool = False,
    ) -> None:
        self._payments = iter(payments)
        self._balances = list(balances)
        self._settled = settled
        self._ahead = ahead
        self._at_once = at_once
        self._waiting: dict[int, Payment] = {}  # not sent yet, by number, in order
        self._earlier: list[Payment] = []  # that had ended before
        self._one_each = one_each
        self._under_way: dict[int, Payment] = {}  # given out and not ended, by number
        self._given_up: set[int] = set()  # payers of one that failed, with ``one_each``

    def next_round(self, most: int | None = None) -> list[Payment]:
        """Payments that depend on none that is not done, at most as many as may be sent at once, or ``most``.

        Empty when none is left, or when those that are left wait for others; see ``waiting``.
        """
        most = self._at_once if most is None else min(most, self._at_once)
        more = self._read()
        while not (found := self._ready(most)) and more:
            more = self._read()
        for payment in found:
            del self._waiting[payment.number]
            self._under_way[payment.number] = payment
            if not payment.refused:
                self._balances[payment.payer] -= payment.amount
        return found

    def paid(self, payment: Payment) -> None:
        """A payment that was given out has ended as it should: it was carried out, or refused if it is to be."""
        del self._under_way[payment.number]
        if not payment.refused:
            self._balances[payment.payee] += payment.amount

    def failed(self, payment: Payment) -> None:
        """A payment that was given out has not ended as it should. One that moved nothing leaves the payer the tokens."""
        del self._under_way[payment.number]
        if self._one_each:
            self._given_up.add(payment.payer)
        if not payment.refused:
            self._balances[payment.payer] += payment.amount

    def take_earlier(self) -> list[Payment]:
        """Those that were found to be done already, since the last call."""
        found, self._earlier = self._earlier, []
        return found

    @property
    def waiting(self) -> list[Payment]:
        """Those that were read and not given out."""
        return list(self._waiting.values())

    def _read(self) -> bool:
        """Reads further payments as far as that is allowed. Whether there were any."""
        any_read = False
        while len(self._waiting) < self._ahead and (part := list(islice(self._payments, self._at_once))):
            any_read = True
            settled = self._settled(part)
            for payment in part:
                if payment.number not in settled:
                    self._waiting[payment.number] = payment
                    continue
                self._earlier.append(payment)
                if not payment.refused:
                    self._balances[payment.payer] -= payment.amount
                    self._balances[payment.payee] += payment.amount
        return any_read

    def _ready(self, most: int) -> list[Payment]:
        found: list[Payment] = []
        held: dict[int, int] = {}  # what payers of this round have left
        blocked = set(self._given_up)  # payers of whom an earlier payment waits
        if self._one_each:
            blocked.update(payment.payer for payment in self._under_way.values())
        #: payers of an earlier payment that is to be refused
        to_refuse = {payment.payer for payment in self._under_way.values() if payment.refused}
        for payment in self._waiting.values():
            left = held.get(payment.payer, self._balances[payment.payer])
            may = payment.payer not in blocked and payment.payee not in to_refuse
            if payment.refused:
                to_refuse.add(payment.payer)
            if may and (payment.refused or left >= payment.amount):
                held[payment.payer] = left if payment.refused else left - payment.amount
                found.append(payment)
                if len(found) == most:
                    break
                if not self._one_each:
                    continue
            blocked.add(payment.payer)
        return found
