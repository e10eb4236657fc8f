"""A helper of the checks that read the phone interface's account table."""

from collections.abc import Callable, Sequence

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.people.person import Person
from cicscenario.services.accounts import AccountRow

#: Verifies one row of the table. Returns the problem, or None.
Look = Callable[[Person, AccountRow], str | None]


def each_row(context: RunContext, look: Look) -> Verifier:
    """A verifier that calls ``look`` with each person's row. A phone number without a row is a problem."""

    def run(people: Sequence[Person]) -> dict[int, str]:
        rows = context.services.accounts.read(person.phone for person in people)
        problems: dict[int, str] = {}
        for person in people:
            row = rows.get(person.phone)
            problem = look(person, row) if row else f"the account table has no phone number {person.phone}"
            if problem:
                problems[person.id] = problem
        return problems

    return run
