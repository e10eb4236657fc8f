"""People as a batch, as the engine hands them to a step."""

from collections.abc import Sequence

from cicscenario.capabilities.executor import Batch
from cicscenario.people.person import Person


def batch(people: Sequence[Person]) -> Batch:
    """A batch of these people."""
    return Batch([person.id for person in people], people)
