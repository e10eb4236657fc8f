"""What a population is to the rest: people by index, wherever they come from."""

from typing import Protocol

from cicscenario.people.person import Person


class Population(Protocol):
    """People from index 0 on; any thread may ask for any of them, in any order, and gets the same each time."""

    def person(self, index: int) -> Person:
        """Person ``index``. Raises InvalidError when there is none such."""

    def gift(self, index: int) -> int:
        """The opening balance of person ``index`` in whole tokens."""

    def account(self, index: int) -> bytes | None:
        """The account that the person has already, if any: 20 bytes."""
