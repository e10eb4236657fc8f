"""What the steps share that write into the phone interface's account table."""

from collections.abc import Collection

from cicscenario.capabilities.step import Batch, Result
from cicscenario.state.rows import Outcome


def result(batch: Batch, unknown: Collection[str]) -> Result:
    """The outcomes of a batch; a phone number that the table does not have (``unknown``) is that person's failure."""
    missing = set(unknown)
    return Result(
        [
            Outcome(person.id, ok=False, detail=f"the account table has no phone number {person.phone}")
            if person.phone in missing
            else Outcome(person.id, ok=True)
            for person in batch.people
        ]
    )
