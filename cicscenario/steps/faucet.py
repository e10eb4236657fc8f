"""The step faucet: the backend triggers the token faucet for each account."""

from cicscenario.capabilities.descriptor import backend_part
from cicscenario.capabilities.step import Step
from cicscenario.steps import registration

STEP = Step(
    "faucet",
    backend_part(lambda declared: declared.faucet, lambda backend, step: backend.faucet(step)),
    after=(registration.STEP.name,),
    lacking="no tokens of the faucet",
)
