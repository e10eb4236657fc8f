"""How much people pay at a time: the mean size of each payer's payments, and the sizes one after the other."""

from collections.abc import Mapping, Sequence
from math import fsum  # the built-in sum of floats differs between versions of Python

from cicscenario.payments.figures import PaymentFigures
from cicscenario.payments.network import Network
from cicscenario.payments.stream import RandomStream

HUNDREDTHS = 100  #: of a token: the grain in which sizes are planned
_ROUNDS = 4  #: how often sizes are found again, from what people receive by the sizes before


def scale(figures: PaymentFigures, balances: Sequence[int], unit: int) -> float:
    """By how much sizes are smaller where people have less at first than the community's gift: 0 to 1."""
    return min(1.0, sum(balances) / (len(balances) * unit * figures.gift))


def sizes(
    figures: PaymentFigures, stream: RandomStream, network: Network, balances: Sequence[int], unit: int
) -> dict[int, int]:
    """The mean size by payer, in hundredths of a token.

    Who has more for each payment, at first and from what is received, pays more at a time, with some chance in it.
    """
    sent, smaller = network.sent(), scale(figures, balances, unit)
    values = [value * smaller for value in figures.size.spread(len(sent))]
    chance = {payer: 0.9 + 0.2 * stream.number() for payer in sent}
    found = dict.fromkeys(sent, fsum(values) / len(values))
    for _ in range(_ROUNDS):
        income = dict.fromkeys(sent, 0.0)
        for payer, payee, times in network.pairs():
            if payee in income:
                income[payee] += times * found[payer]
        means = {
            payer: chance[payer] * (balances[payer] / unit + income[payer]) / number for payer, number in sent.items()
        }
        found = dict(zip(sorted(sent, key=means.__getitem__), values, strict=True))
    return {payer: max(1, int(size * HUNDREDTHS + 0.5)) for payer, size in found.items()}


class Amounts:
    """The sizes of a payer's payments one after the other: two by two their mean is the payer's mean."""

    def __init__(self, means: Mapping[int, int], stream: RandomStream, unit: int) -> None:
        self._means = means
        self._stream = stream
        self._unit = unit
        self._second: dict[int, int] = {}  #: the second of two sizes, which is still to come

    def mean(self, payer: int) -> int:
        """The mean in base units, at least 1."""
        return self._units(self._means[payer])

    def next(self, payer: int, left: int) -> int:
        """A size in base units, at least 1. ``left`` is the number of payments that the payer still makes, this one included."""
        mean = self._means[payer]
        if payer in self._second:
            return self._units(self._second.pop(payer))
        if left < 2:
            return self._units(mean)
        size = int(mean * (0.5 + self._stream.number()))
        if mean >= 10 * HUNDREDTHS:
            size -= size % HUNDREDTHS  # people pay in whole tokens
        size = max(1, size)
        self._second[payer] = max(1, 2 * mean - size)
        return self._units(size)

    def _units(self, size: int) -> int:
        return max(1, (size * self._unit + HUNDREDTHS // 2) // HUNDREDTHS)
