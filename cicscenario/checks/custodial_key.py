"""The check custodial_key: the custodial engine holds the account's key."""

import time
from collections.abc import Sequence

from cicscenario.capabilities.check import Check
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.connections import Service
from cicscenario.errors import UnavailableError
from cicscenario.language import Condition
from cicscenario.people.person import Person
from cicscenario.services.custodial.outcome import Failed, Lost

_AT_ONCE = 100  # requests
_PATIENCE = 60.0  # seconds for all answers to these


def _verifier(context: RunContext) -> Verifier:
    custodial = context.services.custodial

    def verify(people: Sequence[Person]) -> dict[int, str]:
        problems: dict[int, str] = {}
        unanswered: list[Failed | Lost] = []
        for start in range(0, len(people), _AT_ONCE):
            part = people[start : start + _AT_ONCE]
            answers = custodial.have([person.account for person in part], time.monotonic() + _PATIENCE)
            silent = [answer for answer in answers.values() if _is_none(answer)]
            unanswered += silent  # type: ignore[arg-type]
            if len(silent) == len(part):  # the engine has stopped answering, and is not asked for everybody
                break
            for person in part:
                if (answer := answers[person.account]) is not True:
                    problems[person.id] = _words(answer)
        if unanswered:
            raise UnavailableError(
                f"the custodial engine ({custodial.address}) does not say whether it holds the key of"
                f" {len(unanswered)} or more of {len(people)} people: {unanswered[0]}",
                hint="`cicscenario verify` asks again, once its worker and its signer answer",
            )
        return problems

    return verify


def _is_none(answer: bool | Failed | Lost) -> bool:
    """Whether this is no answer: nobody took the question, or the engine could not ask its signer."""
    return isinstance(answer, Lost) or (isinstance(answer, Failed) and answer.unsigned)


def _words(answer: bool | Failed | Lost) -> str:
    return f"not known: {answer}" if answer else "the custodial engine does not hold the key"


CHECK = Check(
    "custodial_key",
    "the custodial engine holds the account's key",
    (
        Condition(
            lambda s: s.backend.traits.custodial,
            ("backend.kind",),
            "with a backend that is not custodial",
            "choose a backend whose keys the custodial engine holds",
        ),
    ),
    _verifier,
    (Service.CUSTODIAL,),
)
