"""Does the custodial engine hold the account's key?"""

import time
from collections.abc import Sequence

from cicscenario.checks.base import Check, CheckContext, Verifier, account
from cicscenario.connections import Service
from cicscenario.state.store import PersonRow

_PATIENCE = 60.0  # seconds for the answers about one batch


def _verifier(context: CheckContext) -> Verifier:
    def verify(people: Sequence[PersonRow]) -> dict[int, str]:
        answers = context.services.custodial.have([account(p) for p in people], time.monotonic() + _PATIENCE)
        found = {p.id: answers[account(p)] for p in people}
        return {
            person: "the custodial engine does not hold the key" if answer is False else f"not known: {answer}"
            for person, answer in found.items()
            if answer is not True
        }

    return verify


CHECK = Check(
    "custodial_key",
    "the custodial engine holds the account's key",
    lambda scenario: scenario.backend.custodial,
    _verifier,
    (Service.CUSTODIAL,),
)
