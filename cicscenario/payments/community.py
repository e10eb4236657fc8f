"""Payments like those of a community: its network, its sizes, and an order in which everybody has the money in time."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cicscenario.payments.deck import Deck
from cicscenario.payments.figures import PaymentFigures
from cicscenario.payments.holders import Holders
from cicscenario.payments.lots import Lots
from cicscenario.payments.network import connect
from cicscenario.payments.overdrafts import Overdrafts
from cicscenario.payments.payment import Payment
from cicscenario.payments.roles import cast
from cicscenario.payments.sizes import Purses, scale, sizes
from cicscenario.payments.spec import PaymentsSpec

_SMALL = 0.1  #: the share of payers whose payments are small
_PATIENCE = 7  #: how often a payment waits for its payer to have the money, before it becomes smaller
_GIVEN_UP = 14  #: how often a payment waits for its payer to have anything
_STANDSTILL = 32  #: payments one after the other that wait, before somebody with money pays who has none
_LATER = 12  #: the part of a round of the deck after which a payment that waits is tried again


class _Wish(NamedTuple):
    due: int  #: number of cards drawn
    pair: int
    amount: int
    left: int  #: payments that the payer still makes in this round, this one included
    waits: int


def community_payments(
    spec: PaymentsSpec, figures: PaymentFigures, seed: int, places: Sequence[int], balances: Sequence[int], unit: int
) -> Iterator[Payment]:
    """There must be two people, and one must have money unless all payments are to be refused.

    But for their days, payments depend on nothing of ``spec.payments``: more of them begin with the same ones.
    """
    small = int(figures.size.at(_SMALL) * scale(figures, balances, unit) * unit)
    roles = cast(figures, Lots(seed, "roles"), places, balances, small)
    network = connect(roles, places, figures.within_place, Lots(seed, "network"))
    means = sizes(figures, Lots(seed, "sizes"), network, balances, unit)
    purses = Purses(means, Lots(seed, "purses"), unit)
    deck = Deck(network, Lots(seed, "deck"))
    overdrafts, lots = Overdrafts(spec.overdrafts), Lots(seed, "overdrafts")
    left = list(balances)
    flow = _Flow(deck, purses, network.payers, network.payees, left, Lots(seed, "flow"))
    for number in range(spec.payments):
        refused = overdrafts.next()
        if refused:
            pair = deck.peek(lots.number())
            payer, payee = network.payers[pair], network.payees[pair]
            amount = left[payer] + purses.mean(payer)
        else:
            payer, payee, amount = flow.next()
        yield Payment(number, payer, payee, amount, number * spec.span // spec.payments, refused)


class _Flow:
    """Takes cards, and moves money. A payment whose payer does not have the money waits; later it becomes smaller."""

    def __init__(
        self, deck: Deck, purses: Purses, payers: Sequence[int], payees: Sequence[int], balances: list[int], lots: Lots
    ) -> None:
        self._deck, self._purses = deck, purses
        self._payers, self._payees = payers, payees
        self._balances, self._lots = balances, lots
        self._paid = set(payees)
        self._holders = Holders(balances)
        self._waiting: deque[_Wish] = deque()
        self._drawn = 0
        self._later = 1 + len(deck) // _LATER

    def next(self) -> tuple[int, int, int]:
        """Payer, payee and amount of a payment that is possible now; it is then made."""
        for _ in range(_STANDSTILL):
            wish = self._wish()
            payer, payee = self._payers[wish.pair], self._payees[wish.pair]
            if amount := self._possible(wish, self._balances[payer]):
                break
            if wish.waits < _GIVEN_UP:
                self._waiting.append(wish._replace(due=self._drawn + self._later, waits=wish.waits + 1))
        else:
            payer, payee, amount = self._help(wish)
        self._holders.move(payer, payee, amount)
        return payer, payee, amount

    def _wish(self) -> _Wish:
        if self._waiting and self._waiting[0].due <= self._drawn:
            return self._waiting.popleft()
        self._drawn += 1
        pair, left = self._deck.draw()
        return _Wish(self._drawn, pair, self._purses.next(self._payers[pair], left), left, 0)

    def _possible(self, wish: _Wish, balance: int) -> int:
        """The base units to pay now; 0 to wait."""
        if wish.amount <= balance:
            return wish.amount
        if self._payers[wish.pair] in self._paid and wish.waits < _PATIENCE:
            return 0
        return -(-balance // min(wish.left, 2))

    def _help(self, wish: _Wish) -> tuple[int, int, int]:
        """A payment by somebody who has money, when nobody who is to pay has: to the payer of a pair that waits."""
        holder, payer = self._holders.at(self._lots.number()), self._payers[wish.pair]
        payee = payer if payer != holder else self._payees[wish.pair]
        return holder, payee, min(wish.amount, (self._balances[holder] + 1) // 2)
