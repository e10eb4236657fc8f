"""Has the token faucet triggered for everybody."""

from cicscenario.capabilities.backend import backend_part
from cicscenario.capabilities.step import Step
from cicscenario.steps import registration

STEP = Step(
    "faucet",
    backend_part(lambda declared: declared.faucet, lambda backend, step: backend.faucet(step)),
    after=(registration.STEP.name,),
)
