"""Does the custodial engine hold the account's key?"""

import time
from collections.abc import Sequence

from cicscenario.checks.base import Check, CheckContext, Verifier, account
from cicscenario.connections import Service
from cicscenario.services.custodial.outcome import Failed, Lost
from cicscenario.state.store import PersonRow

_AT_ONCE = 100  # questions
_PATIENCE = 60.0  # seconds for the answers to so many


def _verifier(context: CheckContext) -> Verifier:
    custodial = context.services.custodial

    def verify(people: Sequence[PersonRow]) -> dict[int, str]:
        problems: dict[int, str] = {}
        for start in range(0, len(people), _AT_ONCE):
            part = people[start : start + _AT_ONCE]
            answers = custodial.have([account(person) for person in part], time.monotonic() + _PATIENCE)
            for person in part:
                if (answer := answers[account(person)]) is not True:
                    problems[person.id] = _words(answer)
            if all(isinstance(answer, Lost) for answer in answers.values()):  # it answers nobody any more
                unasked = people[start + _AT_ONCE :]
                return problems | {person.id: f"not asked: {problems[part[0].id]}" for person in unasked}
        return problems

    return verify


def _words(answer: bool | Failed | Lost) -> str:
    return f"not known: {answer}" if answer else "the custodial engine does not hold the key"


CHECK = Check(
    "custodial_key",
    "the custodial engine holds the account's key",
    lambda scenario: scenario.backend.custodial,
    _verifier,
    (Service.CUSTODIAL,),
)
