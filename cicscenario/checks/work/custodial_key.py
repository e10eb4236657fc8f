"""Asks the custodial engine which keys it holds."""

import time
from collections.abc import Sequence

from cicscenario.capabilities.check import NotKnown
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.people.person import Person
from cicscenario.services.custodial.outcome import Failed, Lost

_AT_ONCE = 100  # requests
_PATIENCE = 60.0  # seconds for all answers to these


def verifier(context: RunContext) -> Verifier:
    """Asks about people in parts; when the engine stops answering, it is not asked about the others."""
    custodial = context.services.custodial

    def verify(people: Sequence[Person]) -> dict[int, str]:
        problems: dict[int, str] = {}
        for start in range(0, len(people), _AT_ONCE):
            part = people[start : start + _AT_ONCE]
            answers = custodial.have([person.account for person in part], time.monotonic() + _PATIENCE)
            for person in part:
                if (answer := answers[person.account]) is not True:
                    problems[person.id] = _words(answer)
            if all(isinstance(answer, Lost) for answer in answers.values()):  # the engine has stopped answering
                unasked = people[start + _AT_ONCE :]
                return problems | {person.id: NotKnown(f"not asked: {problems[part[0].id]}") for person in unasked}
        return problems

    return verify


def _words(answer: bool | Failed | Lost) -> str:
    return NotKnown(f"not known: {answer}") if answer else "the custodial engine does not hold the key"
