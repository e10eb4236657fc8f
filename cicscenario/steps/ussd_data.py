"""The step ussd_data: writes status and language to the phone interface's account table, and ``ussd_data.csv``."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Executor, Result
from cicscenario.capabilities.step import Lane, Part, ResultFile, Step
from cicscenario.connections import Service
from cicscenario.legacy.accountfiles import UssdDataRow, write_ussd_data
from cicscenario.people.person import Person
from cicscenario.services.accounts import AccountStatus
from cicscenario.steps import accounts
from cicscenario.steps.account_table import report


def _executor(context: RunContext, step: str) -> Executor:
    def run(batch: Batch) -> Result:
        rows = [(person.phone, AccountStatus.ACTIVE, person.language) for person in batch.people]
        report(batch.people, context.services.accounts.set_ussd_data(rows), batch.result)
        return batch.result

    return run


def _write(context: RunContext, path: Path, pages: Iterable[Sequence[Person]]) -> None:
    rows = (UssdDataRow(person.phone, active=True, language=person.language) for people in pages for person in people)
    write_ussd_data(path, rows)


_PART = Part("write each person's status and language", Lane.SERVICE, _executor, (Service.ACCOUNTS,))
STEP = Step(
    "ussd_data",
    lambda scenario: _PART if scenario.ussd_data else None,
    after=(accounts.STEP.name,),
    repeatable=True,
    file=ResultFile("ussd_data.csv", _write),
    lacking="no status and language in the account table",
)
