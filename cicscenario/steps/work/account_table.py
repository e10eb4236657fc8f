"""A helper of the steps that write to the phone interface's account table."""

from collections.abc import Collection, Sequence

from cicscenario.capabilities.executor import Result
from cicscenario.people.person import Person


def report(people: Sequence[Person], unknown: Collection[str], made: Result) -> None:
    """Adds the outcomes of people. A person fails when the table does not have their phone number (``unknown``)."""
    missing = set(unknown)
    for person in people:
        if person.phone in missing:
            made.fail(person.id, f"the account table has no phone number {person.phone}")
        else:
            made.done(person.id)
