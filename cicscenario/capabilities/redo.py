"""What a repair makes again: which steps for which people, and the purpose under which the ledger sends for them."""

from cicscenario.capabilities.readback import PeopleSet

_MARK = "#"  # between a step's name and the number of its transaction for one person


class Redo:
    """The people of each step whose results are made again. Its size is one bit for each person and step."""

    def __init__(self) -> None:
        self._steps: dict[str, PeopleSet] = {}
        self._purposes: dict[str, dict[str, PeopleSet]] = {}

    def add(self, step: str, person: int, purpose: str | None = None) -> None:
        """Adds a person. ``purpose``: a transaction for them gets this purpose, and not that of the step."""
        self._steps.setdefault(step, PeopleSet()).add(person)
        if purpose not in (None, step):
            self._purposes.setdefault(step, {}).setdefault(str(purpose), PeopleSet()).add(person)

    def of(self, step: str) -> PeopleSet:
        """The people of a step."""
        return self._steps.get(step, PeopleSet())

    def purpose(self, step: str, person: int) -> str:
        """The purpose of the transaction that is sent for a person in a step."""
        return next((name for name, people in self._purposes.get(step, {}).items() if person in people), step)

    @property
    def steps(self) -> frozenset[str]:
        """The names of the steps."""
        return frozenset(self._steps)

    def __bool__(self) -> bool:
        return bool(self._steps)


def further_purpose(step: str, number: int) -> str:
    """The purpose of the ``number``-th transaction of a step for one person; the first one has the step's name."""
    return step if number == 1 else f"{step}{_MARK}{number}"
