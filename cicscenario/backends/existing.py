"""The backend existing: uses the accounts that the people of `population.from` have already."""

from cicscenario.backends import work
from cicscenario.backends.dialect import DIALECT, READABLE_PINS
from cicscenario.capabilities.descriptor import BackendDescriptor, BackendPart
from cicscenario.capabilities.step import Lane
from cicscenario.language import KeyHolder

BACKEND = BackendDescriptor(
    kind="existing",
    summary="the accounts that the people of `population.from` have already; nothing is sent on chain",
    keys=KeyHolder.OTHERS,
    has_phone_accounts=True,
    no_payments="sends nothing",
    options={"dialect": DIALECT},
    needs=lambda survey: work.existing.needs(survey),
    rules=(READABLE_PINS,),
    open=lambda run: work.existing.ExistingBackend(run),
    accounts=BackendPart("take the accounts that people have", Lane.CPU),
)
