"""The step gas: the backend gives each account native currency for fees."""

from cicscenario.capabilities.descriptor import backend_part
from cicscenario.capabilities.step import Step
from cicscenario.steps import registration

STEP = Step(
    "gas",
    backend_part(lambda declared: declared.gas, lambda backend, step: backend.gas(step)),
    after=(registration.STEP.name,),
    lacking="no native currency for fees",
)
