"""Payments that are like nobody's: everybody who has money is as likely to pay, and everybody else to be paid."""

from collections.abc import Iterator, Sequence

from cicscenario.payments.holders import Holders
from cicscenario.payments.overdrafts import Overdrafts
from cicscenario.payments.payment import Payment
from cicscenario.payments.spec import PaymentsSpec
from cicscenario.payments.stream import RandomStream


def uniform_payments(spec: PaymentsSpec, seed: int, balances: Sequence[int], unit: int) -> Iterator[Payment]:
    """Each payment moves up to half of what its payer has, in whole tokens where that is possible.

    There must be two people, and one must have money unless all payments are to be refused.
    """
    number_of, left = len(balances), list(balances)
    draw, overdrafts = RandomStream(seed, "uniform").number, Overdrafts(spec.overdrafts)
    holders = Holders(left)
    for number in range(spec.payments):
        refused = overdrafts.next()
        payer = int(draw() * number_of) if refused else holders.at(draw())
        payee = (payer + 1 + int(draw() * (number_of - 1))) % number_of
        amount = _part(left[payer], unit, draw())
        if refused:
            amount += left[payer]
        else:
            holders.move(payer, payee, amount)
        yield Payment(number, payer, payee, amount, number * spec.span // spec.payments, refused)


def _part(balance: int, unit: int, share: float) -> int:
    """Up to half of the balance; at least one base unit."""
    grain = unit if balance >= 2 * unit else 1
    return grain * (1 + int(share * max(1, balance // 2 // grain)))
