"""Accounts that are there already: the population's source knows them."""

from collections.abc import Sequence

from cicscenario.backends.base import BackendContext, Deed, Made
from cicscenario.state.store import PersonRow


class ExistingBackend:
    """Takes each person's account from where the people come from."""

    def __init__(self, context: BackendContext) -> None:
        self._context = context

    def accounts(self, people: Sequence[PersonRow]) -> Made:
        made = Made()
        for person in people:
            address = self._context.existing(person.id)
            if address is None:
                made.fail(person.id, f"has no account in {self._context.scenario.population.source}")
            else:
                made.add(person.id, address)
        return made

    def trouble(self, people: Sequence[PersonRow]) -> dict[int, str]:
        return {}

    def again(self, deed: Deed, people: Sequence[PersonRow]) -> bool:
        return False  # the engine has nothing to do with these accounts

    def close(self) -> None:
        pass
