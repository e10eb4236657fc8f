"""Who has money while payments are planned."""

from collections.abc import MutableSequence


class Holders:
    """The people whose balance is above 0. Knows of a change of ``balances`` (base units by person) only by ``move``."""

    def __init__(self, balances: MutableSequence[int]) -> None:
        self._balances = balances
        self._people = [person for person, balance in enumerate(balances) if balance > 0]
        self._place = {person: place for place, person in enumerate(self._people)}

    def at(self, number: float) -> int:
        """One of them, by a number from 0 (included) to 1 (not included). There must be one."""
        return self._people[int(number * len(self._people))]

    def move(self, payer: int, payee: int, amount: int) -> None:
        """Moves base units from one person to another one. The payer must have them."""
        assert 0 < amount <= self._balances[payer]
        self._balances[payer] -= amount
        if not self._balances[payer]:
            place, last = self._place.pop(payer), self._people.pop()
            if last != payer:
                self._people[place] = last
                self._place[last] = place
        if not self._balances[payee]:
            self._place[payee] = len(self._people)
            self._people.append(payee)
        self._balances[payee] += amount
