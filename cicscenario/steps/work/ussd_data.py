"""Writes status and language to the phone interface's account table, and ``ussd_data.csv``."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Executor, Result
from cicscenario.legacy.accountfiles import UssdDataRow, write_ussd_data
from cicscenario.people.person import Person
from cicscenario.services.accounts import AccountStatus
from cicscenario.steps.work.account_table import report


def executor(context: RunContext) -> Executor:
    """Writes the rows of a batch at once."""

    def run(batch: Batch) -> Result:
        rows = [(person.phone, AccountStatus.ACTIVE, person.language) for person in batch.people]
        report(batch.people, context.services.accounts.set_ussd_data(rows), batch.result)
        return batch.result

    return run


def write_file(path: Path, pages: Iterable[Sequence[Person]]) -> None:
    """Writes ``ussd_data.csv``."""
    rows = (UssdDataRow(person.phone, active=True, language=person.language) for people in pages for person in people)
    write_ussd_data(path, rows)
