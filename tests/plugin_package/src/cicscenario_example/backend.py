"""A backend: everybody's key is derived from one word that all members of a club know."""

import hashlib

from cicscenario.capabilities.backend import Backend
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.descriptor import BackendDescriptor, BackendPart
from cicscenario.capabilities.executor import Batch, Result
from cicscenario.capabilities.step import Lane
from cicscenario.chain.signer import address_of, derive_key
from cicscenario.language import KeyHolder
from cicscenario.people.person import Person


class SharedBackend(Backend):
    """Accounts of a club; its word is an option of the scenario."""

    def __init__(self, context: RunContext) -> None:
        word: str = context.scenario.backend.option("word")
        self._secret = hashlib.sha256(word.encode()).digest()

    def accounts(self, batch: Batch) -> Result:
        for person in batch.people:
            batch.result.found(person.id, address_of(self.private_key(person)))
        return batch.result

    def private_key(self, person: Person) -> bytes:
        return derive_key(self._secret, person.id)


BACKEND = BackendDescriptor(
    kind="shared",
    summary="everybody's key is derived from a word that the members of a club know; nothing is registered",
    keys=KeyHolder.RUN,
    options={
        "word": {
            "description": "The word that the members of the club know; `shared` only.",
            "type": "string",
            "default": "harambee",
            "examples": ["harambee"],
            "x-since": "1.0.0",
        }
    },
    open=SharedBackend,
    accounts=BackendPart("derive the club's keys", Lane.CPU),
)
