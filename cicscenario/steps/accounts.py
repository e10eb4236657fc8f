"""Gives everybody an account, in the way of the scenario's backend."""

from cicscenario.capabilities.backend import backend_part
from cicscenario.capabilities.step import Step
from cicscenario.steps import population

STEP = Step(
    "accounts",
    backend_part(lambda declared: declared.accounts, lambda backend, step: backend.accounts),
    after=(population.STEP.name,),
)
