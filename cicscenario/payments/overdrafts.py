"""Which payments ask for more than their payer has."""

from fractions import Fraction


def is_overdraft(number: int, share: float) -> bool:
    """Whether the payment of this number, from 0 on, is one. The first n payments have the whole part of n x ``share``."""
    part = Fraction(str(share))
    return (number + 1) * part // 1 > number * part // 1
