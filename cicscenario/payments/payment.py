"""One payment between two people, as it is planned."""

from typing import NamedTuple


class Payment(NamedTuple):
    """A payment. In the order of their numbers, no payment takes more than its payer has, but for those to be refused."""

    number: int  #: place in the order of sending, from 0
    payer: int  #: person
    payee: int  #: person, another one
    amount: int  #: base units, at least 1
    day: int  #: of the span, from 0
    refused: bool = False  #: whether the amount is more than the payer has at that time, so that nothing may move
