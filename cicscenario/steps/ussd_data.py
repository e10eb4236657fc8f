"""The step ussd_data: writes status and language to the phone interface's account table, and ``ussd_data.csv``."""

from cicscenario.capabilities.step import Lane, Part, ResultFile, Step
from cicscenario.connections import Service
from cicscenario.steps import accounts, work

_PART = Part(
    "write each person's status and language",
    Lane.SERVICE,
    lambda run, step: work.ussd_data.executor(run),
    (Service.ACCOUNTS,),
)
STEP = Step(
    "ussd_data",
    lambda scenario: _PART if scenario.ussd_data else None,
    after=(accounts.STEP.name,),
    repeatable=True,
    files=(ResultFile("ussd_data.csv", lambda run, path, pages: work.ussd_data.write_file(path, pages)),),
    lacking="no status and language in the account table",
)
