"""The step pins: writes PIN hashes to the phone interface's account table, and ``pins.csv`` at the end of the run."""

from cicscenario.capabilities.step import Lane, Part, ResultFile, Step
from cicscenario.connections import Service
from cicscenario.steps import accounts, work

_PART = Part(
    "write each person's PIN hash", Lane.SERVICE, lambda run, step: work.pins.executor(run), (Service.ACCOUNTS,)
)
STEP = Step(
    "pins",
    lambda scenario: _PART if scenario.pins is not None else None,
    after=(accounts.STEP.name,),
    repeatable=True,
    files=(ResultFile("pins.csv", lambda run, path, pages: work.pins.write_file(run, path, pages)),),
    lacking="no PIN",
)
