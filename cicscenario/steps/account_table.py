"""A helper of the steps that write to the phone interface's account table."""

from collections.abc import Collection

from cicscenario.capabilities.executor import Batch, Result
from cicscenario.state.rows import Outcome


def result(batch: Batch, unknown: Collection[str]) -> Result:
    """The outcomes of a batch. A person fails when the table does not have their phone number (``unknown``)."""
    missing = set(unknown)
    return Result(
        [
            Outcome(person.id, ok=False, detail=f"the account table has no phone number {person.phone}")
            if person.phone in missing
            else Outcome(person.id, ok=True)
            for person in batch.people
        ]
    )
