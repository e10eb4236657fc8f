"""Payments like those of a community: its network, its sizes, and an order in which everybody has the money in time."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cicscenario.payments.deck import Deck
from cicscenario.payments.figures import PaymentFigures
from cicscenario.payments.holders import Holders
from cicscenario.payments.network import connect
from cicscenario.payments.overdrafts import Overdrafts
from cicscenario.payments.payment import Payment
from cicscenario.payments.roles import assign_roles
from cicscenario.payments.sizes import Amounts, scale, sizes
from cicscenario.payments.spec import PaymentsSpec
from cicscenario.payments.stream import RandomStream

_SMALL = 0.1  #: the share of payers whose payments are small
_PATIENCE = 7  #: how often a payment waits for its payer to have the money, before it becomes smaller
_GIVEN_UP = 14  #: how often a payment waits for its payer to have anything
_STANDSTILL = 32  #: so many payments in a row that have to wait end by one from somebody who has money
_LATER = 12  #: the part of a round of the deck after which a payment that waits is tried again


class _Pending(NamedTuple):
    """A payment that is to be made, or tried again, when so many cards are drawn as ``due`` says."""

    due: int
    pair: int  #: index in the network
    amount: int  #: base units
    left: int  #: payments that the payer still makes in this round, this one included
    waits: int


def community_payments(
    spec: PaymentsSpec, figures: PaymentFigures, seed: int, places: Sequence[int], balances: Sequence[int], unit: int
) -> Iterator[Payment]:
    """The payments in the order of sending. ``unit`` is the number of base units of a token.

    There must be two people, and one must have money unless all payments are to be refused.

    But for their days, payments depend on nothing of ``spec.payments``: more of them begin with the same ones.
    """
    small = max(1, int(figures.size.at(_SMALL) * scale(figures, balances, unit) * unit))
    roles = assign_roles(figures, RandomStream(seed, "roles"), places, balances, small)
    network = connect(roles, places, figures.within_place, RandomStream(seed, "network"))
    means = sizes(figures, RandomStream(seed, "sizes"), network, balances, unit)
    amounts = Amounts(means, RandomStream(seed, "amounts"), unit)
    deck = Deck(network, RandomStream(seed, "deck"))
    overdrafts, stream = Overdrafts(spec.overdrafts), RandomStream(seed, "overdrafts")
    left = list(balances)
    flow = _Flow(deck, amounts, network.payers, network.payees, left, RandomStream(seed, "flow"))
    for number in range(spec.payments):
        refused = overdrafts.next()
        if refused:
            pair = deck.peek(stream.number())
            payer, payee = network.payers[pair], network.payees[pair]
            amount = left[payer] + amounts.mean(payer)
        else:
            payer, payee, amount = flow.next()
        yield Payment(number, payer, payee, amount, number * spec.span // spec.payments, refused)


class _Flow:
    """Takes cards, and moves money. A payment whose payer does not have the money waits; later it becomes smaller."""

    def __init__(
        self,
        deck: Deck,
        amounts: Amounts,
        payers: Sequence[int],
        payees: Sequence[int],
        balances: list[int],
        stream: RandomStream,
    ) -> None:
        self._deck, self._amounts = deck, amounts
        self._payers, self._payees = payers, payees
        self._balances, self._stream = balances, stream
        self._paid = set(payees)
        self._holders = Holders(balances)
        self._waiting: deque[_Pending] = deque()
        self._drawn = 0
        self._later = 1 + len(deck) // _LATER

    def next(self) -> tuple[int, int, int]:
        """Payer, payee and amount of a payment that is possible now; it is then made."""
        for _ in range(_STANDSTILL):
            pending = self._next_pending()
            payer, payee = self._payers[pending.pair], self._payees[pending.pair]
            if amount := self._possible(pending, self._balances[payer]):
                break
            if pending.waits < _GIVEN_UP:
                self._waiting.append(pending._replace(due=self._drawn + self._later, waits=pending.waits + 1))
        else:
            payer, payee, amount = self._from_holder(pending)
        self._holders.move(payer, payee, amount)
        return payer, payee, amount

    def _next_pending(self) -> _Pending:
        if self._waiting and self._waiting[0].due <= self._drawn:
            return self._waiting.popleft()
        self._drawn += 1
        pair, left = self._deck.draw()
        return _Pending(self._drawn, pair, self._amounts.next(self._payers[pair], left), left, 0)

    def _possible(self, pending: _Pending, balance: int) -> int:
        """The base units to pay now; 0 to wait. Who is never paid does not wait: waiting would bring no money."""
        if pending.amount <= balance:
            return pending.amount
        if self._payers[pending.pair] in self._paid and pending.waits < _PATIENCE:
            return 0
        return -(-balance // min(pending.left, 2))

    def _from_holder(self, pending: _Pending) -> tuple[int, int, int]:
        """Payer, payee and amount when many payments in a row have to wait: somebody who has money pays a payer who has none."""
        holder, payer = self._holders.at(self._stream.number()), self._payers[pending.pair]
        payee = payer if payer != holder else self._payees[pending.pair]
        return holder, payee, min(pending.amount, (self._balances[holder] + 1) // 2)
