"""The backend existing: uses the accounts that the people of `population.from` have already."""

from cicscenario.backends.dialect import DIALECT
from cicscenario.capabilities.backend import Backend
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.descriptor import BackendDescriptor, BackendPart
from cicscenario.capabilities.executor import Batch, Result
from cicscenario.capabilities.step import Lane
from cicscenario.language import KeyHolder
from cicscenario.people.person import checksum


class ExistingBackend(Backend):
    """Takes each person's account from the source of the population."""

    def __init__(self, context: RunContext) -> None:
        self._population = context.population
        self._stopping = context.stopping
        self._source = context.scenario.population.source

    def accounts(self, batch: Batch) -> Result:
        result = batch.result
        for person in batch.people:
            if self._stopping.is_set():
                break
            address = self._population.account(person.id)
            if address is None:
                result.fail(person.id, f"has no account in {self._source}")
            else:
                result.found(person.id, address, person.spelled or checksum(address))
        return result


BACKEND = BackendDescriptor(
    kind="existing",
    summary="the accounts that the people of `population.from` have already; nothing is sent on chain",
    keys=KeyHolder.OTHERS,
    has_phone_accounts=True,
    options={"dialect": DIALECT},
    open=ExistingBackend,
    accounts=BackendPart("take the accounts that people have", Lane.CPU),
)
