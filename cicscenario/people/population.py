"""The interface of a population: people by index, independent of their source."""

from typing import Protocol

from cicscenario.people.person import Person


class Population(Protocol):
    """People by index, from 0. Thread-safe; people can be read in any order, and repeated reads give the same person."""

    def person(self, index: int) -> Person:
        """Person ``index``. Raises InvalidError when the person does not exist."""

    def gift(self, index: int) -> int:
        """The opening balance of person ``index`` in whole tokens."""

    def account(self, index: int) -> bytes | None:
        """The account that the person has already (20 bytes), or None."""
