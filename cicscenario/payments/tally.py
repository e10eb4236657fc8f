"""Payments that were made, counted as they come: by person, pair and day. Its size grows with people and pairs."""

from array import array
from collections.abc import Sequence

from cicscenario.payments.payment import Payment


class Tally:
    """Counts of payments among so many people, in a calendar of ``span`` days."""

    def __init__(self, people: int, span: int) -> None:
        self.sent, self.received = _zeros(people), _zeros(people)  #: payments by person
        self.given, self.got = [0] * people, [0] * people  #: tokens by person
        self.planned, self.paid, self.refused = _zeros(span), _zeros(span), _zeros(span)  #: payments by day
        self._pairs: set[int] = set()
        self._people = people

    def add(self, payment: Payment, *, made: bool) -> None:
        """Counts a payment; ``made``: it has ended as it should. One that was refused moves nothing."""
        self.planned[payment.day] += 1
        if not made:
            return
        if payment.refused:
            self.refused[payment.day] += 1
            return
        payer, payee = payment.payer, payment.payee
        self.paid[payment.day] += 1
        self.sent[payer] += 1
        self.received[payee] += 1
        self.given[payer] += payment.amount
        self.got[payee] += payment.amount
        self._pairs.add(payer * self._people + payee)

    def partners(self) -> tuple[Sequence[int], Sequence[int]]:
        """By person: how many others they paid, and how many others paid them."""
        paid, paying = _zeros(self._people), _zeros(self._people)
        for pair in self._pairs:
            payer, payee = divmod(pair, self._people)
            paid[payer] += 1
            paying[payee] += 1
        return paid, paying

    def within(self, places: Sequence[int]) -> float | None:
        """The share of pairs whose payer and payee live in one place; None without any pair."""
        near = sum(places[pair // self._people] == places[pair % self._people] for pair in self._pairs)
        return near / len(self._pairs) if self._pairs else None

    def moved(self) -> int:
        """The tokens of all payments that were paid."""
        return sum(self.given)

    def sizes(self) -> list[float]:
        """The mean payment of each person who paid, in tokens."""
        return [given / times for given, times in zip(self.given, self.sent, strict=True) if times]


def _zeros(number: int) -> "array[int]":
    return array("Q", bytes(8 * number))
