"""Helpers of the checks that read the phone interface's account table."""

from collections.abc import Callable, Mapping, Sequence

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.capabilities.phonerows import unfit_rows
from cicscenario.capabilities.remedy import Decision, Judge, MadeAgain
from cicscenario.people.person import Person
from cicscenario.services.accounts import AccountRow

#: Verifies one row of the table. Returns the problem, or None.
Look = Callable[[Person, AccountRow], str | None]
#: Verifies those rows in which ``Look`` finds no problem, all together. Returns the problems by person id.
Closely = Callable[[Sequence[tuple[Person, AccountRow]]], dict[int, str]]


def each_row(context: RunContext, look: Look, closely: Closely = lambda rows: {}) -> Verifier:
    """A verifier that calls ``look`` with each person's row. A phone number without a row is a problem.

    ``closely`` is called with the rows without a problem.
    """

    def run(people: Sequence[Person]) -> dict[int, str]:
        rows = context.services.accounts.read(person.phone for person in people)
        problems: dict[int, str] = {}
        for person in people:
            row = rows.get(person.phone)
            problem = look(person, row) if row else f"the account table has no phone number {person.phone}"
            if problem:
                problems[person.id] = problem
        well = [(person, rows[person.phone]) for person in people if person.id not in problems]
        return problems | closely(well)

    return run


def written_again(step: str, how: str) -> Judge:
    """A judge for what the step writes to a row: it is written again where the row is there, with the person's account."""

    def judge(context: RunContext, people: Sequence[Person], problems: Mapping[int, str]) -> dict[int, Decision]:
        unfit = unfit_rows(context, people)
        return {person.id: unfit.get(person.id, MadeAgain(step, how)) for person in people}

    return judge
