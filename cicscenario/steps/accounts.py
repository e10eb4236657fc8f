"""The step accounts: the backend creates an account for each person."""

from cicscenario.capabilities.descriptor import backend_part
from cicscenario.capabilities.step import Step
from cicscenario.steps import population

STEP = Step(
    "accounts",
    backend_part(lambda declared: declared.accounts, lambda backend, step: backend.accounts),
    after=(population.STEP.name,),
    lacking="no account",
)
