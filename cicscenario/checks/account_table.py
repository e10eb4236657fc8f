"""What the checks share that look into the phone interface's account table."""

from collections.abc import Callable, Sequence

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.people.person import Person
from cicscenario.services.accounts import AccountRow

#: What is wrong with someone's row of the table, or None.
Look = Callable[[Person, AccountRow], str | None]


def each_row(context: RunContext, look: Look) -> Verifier:
    """Holds every person's row against what it should be; a phone number that is not there is an error."""

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
