"""The order in which the payments of a network come: each pair as often as it pays, shuffled, and again without end."""

from array import array

from cicscenario.payments.network import Network
from cicscenario.payments.stream import RandomStream


class Deck:
    """Cards, each for one payment of a pair. A round has every card once; each round has an order of its own."""

    def __init__(self, network: Network, stream: RandomStream) -> None:
        self._stream = stream
        self._cards = array("q", (pair for pair, times in enumerate(network.times) for _ in range(times)))
        self._sent = network.sent()
        self._left = dict.fromkeys(self._sent, 0)
        self._network = network
        self._next = len(self._cards)

    def __len__(self) -> int:
        """The number of cards."""
        return len(self._cards)

    def draw(self) -> tuple[int, int]:
        """A pair, and the number of cards that its payer had left in this round, this one included."""
        if self._next == len(self._cards):
            self._stream.shuffle(self._cards)
            self._next = 0
            self._left.update(self._sent)
        pair = self._cards[self._next]
        self._next += 1
        payer = self._network.payers[pair]
        self._left[payer] -= 1
        return pair, self._left[payer] + 1

    def peek(self, number: float) -> int:
        """Any pair, as likely as it has cards, by a number from 0 (included) to 1 (not included). No card is used."""
        return self._cards[int(number * len(self._cards))]
