"""People as a batch, as the engine hands them to a step."""

from collections.abc import Sequence

from cicscenario.capabilities.executor import Batch
from cicscenario.people.person import Person
from cicscenario.state.rows import Outcome


def batch(people: Sequence[Person]) -> Batch:
    """A batch of these people."""
    return Batch([person.id for person in people], people)


def all_ok(batch: Batch) -> list[Outcome]:
    """A successful outcome for each person of the batch."""
    return [Outcome(person, ok=True) for person in batch.ids]
