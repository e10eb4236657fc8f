"""Which payments ask for more than their payer has."""

from fractions import Fraction


class Overdrafts:
    """A share of the payments, evenly among them: of the first n, the whole part of n times the share."""

    def __init__(self, share: float) -> None:
        """``share`` is 0 to 1, and is taken as it is written: 0.29 of 100 payments are 29."""
        part = Fraction(str(share))
        self._step, self._whole = part.numerator, part.denominator
        self._sum = 0

    def next(self) -> bool:
        """Whether the next payment, beginning with the first one, is to be refused."""
        self._sum += self._step
        if self._sum < self._whole:
            return False
        self._sum -= self._whole
        return True
