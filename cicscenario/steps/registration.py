"""The step registration: the backend registers each account in the accounts index."""

from cicscenario.capabilities.descriptor import backend_part
from cicscenario.capabilities.step import Step
from cicscenario.steps import accounts

STEP = Step(
    "registration",
    backend_part(lambda declared: declared.registration, lambda backend, step: backend.registration(step)),
    after=(accounts.STEP.name,),
    lacking="no entry in the accounts index",
)
